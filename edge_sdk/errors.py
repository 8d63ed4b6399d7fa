"""Errors of the phone's SDK: one class per cause, each with a stable code and a way out."""

from __future__ import annotations

from typing import ClassVar


class EdgeError(Exception):
    """Base of all errors of `edge_sdk`; `code` is stable and safe to switch on."""

    code: ClassVar[str] = "edge_error"


class MissingExtra(EdgeError):
    """An optional library is not installed; the message names the install command."""

    code: ClassVar[str] = "missing_extra"

    def __init__(self, library: str, extra: str) -> None:
        """Name the library that is missing and the extra that brings it."""
        super().__init__(f"{library} is not installed: pip install 'daengdong[{extra}]'")
        self.library = library
        self.extra = extra


# --- formats ---------------------------------------------------------------------------------
class PackedError(EdgeError):
    """Bytes that are not a packed chunk, or fixes that cannot be packed."""

    code: ClassVar[str] = "packed_invalid"


class FactError(EdgeError):
    """A fact whose type is unknown, whose payload does not fit it, or whose hash is wrong."""

    code: ClassVar[str] = "fact_invalid"


class UnknownFactType(FactError):
    """A fact of a type that this build does not know."""

    code: ClassVar[str] = "fact_type_unknown"


class HlcError(EdgeError):
    """Text that is not a hybrid clock stamp."""

    code: ClassVar[str] = "hlc_invalid"


class GpxError(EdgeError):
    """Base of what can be wrong with a GPX file."""

    code: ClassVar[str] = "gpx_error"


class GpxInvalid(GpxError):
    """Not XML, not GPX, or a point with broken coordinates or time; the message names it."""

    code: ClassVar[str] = "gpx_invalid"


class GpxWithoutTimes(GpxError):
    """No point has a time and no pace was given; pass `pace_mps` to walk it at that speed."""

    code: ClassVar[str] = "gpx_without_times"


class GpxRefused(GpxError):
    """A document type, an entity or nesting that no honest GPX file has."""

    code: ClassVar[str] = "gpx_refused"


class GpxTooLarge(GpxError):
    """More bytes or more points than the reader takes."""

    code: ClassVar[str] = "gpx_too_large"


# --- the local store -------------------------------------------------------------------------
class StoreError(EdgeError):
    """Base of what can go wrong with the local store; nothing written before is lost."""

    code: ClassVar[str] = "store_error"


class StoreReadOnly(StoreError):
    """The database file or its folder cannot be written."""

    code: ClassVar[str] = "store_read_only"


class StoreFull(StoreError):
    """No space left; free some and call again, what was stored before stands."""

    code: ClassVar[str] = "store_full"


class StoreCorrupt(StoreError):
    """The file is not a sound database; keep it for rescue and open another path."""

    code: ClassVar[str] = "store_corrupt"


class StoreInUse(StoreError):
    """Another process has this store open; close it there first."""

    code: ClassVar[str] = "store_in_use"


class StoreTooNew(StoreError):
    """The store was written by a newer version of the app; update this one."""

    code: ClassVar[str] = "store_too_new"


class StoreClosed(StoreError):
    """The store was closed, or never opened."""

    code: ClassVar[str] = "store_closed"


# --- recording a walk ------------------------------------------------------------------------
class RecorderError(EdgeError):
    """Base of what the recorder refuses."""

    code: ClassVar[str] = "recorder_error"


class FixInvalid(RecorderError):
    """A fix that cannot be stored: not a number, out of range, or without a usable time."""

    code: ClassVar[str] = "fix_invalid"


class NoOpenWalk(RecorderError):
    """There is no walk to add to; call `start` first."""

    code: ClassVar[str] = "no_open_walk"


class WalkIsOpen(RecorderError):
    """A walk of this device is open: finish it, cancel it, or start with `supersede=True`."""

    code: ClassVar[str] = "walk_is_open"

    def __init__(self, walk_id: str, started_at_ms: int) -> None:
        """Name the open walk."""
        super().__init__(
            f"walk {walk_id} is open since {started_at_ms} ms: finish() or cancel() it, "
            "or start(..., supersede=True) to finish it and begin anew",
        )
        self.walk_id = walk_id
        self.started_at_ms = started_at_ms


class WalkTooLong(RecorderError):
    """The walk has as many fixes as the server takes; finish it and start another."""

    code: ClassVar[str] = "walk_too_long"


class UnknownWalk(RecorderError):
    """No open walk of that id is known from the server."""

    code: ClassVar[str] = "unknown_walk"


# --- syncing ---------------------------------------------------------------------------------
class SyncError(EdgeError):
    """Base of what can go wrong between phone and server; the log keeps everything."""

    code: ClassVar[str] = "sync_error"


class Unreachable(SyncError):
    """No answer from the server after all attempts; sync again later."""

    code: ClassVar[str] = "unreachable"


class ServerUnavailable(SyncError):
    """The server answered that it cannot serve now (429 or 5xx) after all attempts."""

    code: ClassVar[str] = "server_unavailable"

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        """Carry the server's own advice when to come back."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SignInNeeded(SyncError):
    """The tokens are gone or refused; the user has to sign in again."""

    code: ClassVar[str] = "sign_in_needed"


class ProtocolViolation(SyncError):
    """The server answered something that the protocol does not allow."""

    code: ClassVar[str] = "protocol_violation"


class RequestRefused(SyncError):
    """The server refused the whole request with a code the client cannot heal."""

    code: ClassVar[str] = "request_refused"

    def __init__(self, status: int, problem_code: str, detail: str) -> None:
        """Carry the HTTP status and the problem's code."""
        super().__init__(f"{status} {problem_code}: {detail}")
        self.status = status
        self.problem_code = problem_code


class ChecksumMismatch(SyncError):
    """The rows pulled differ from the server's even after pulling everything anew."""

    code: ClassVar[str] = "checksum_mismatch"


# --- analysing pictures and videos -----------------------------------------------------------
class AnalysisError(EdgeError):
    """Base of what an analysis refuses; `code` is the product's, `message_ko` the owner's text.

    `details` are JSON-ready facts (limits, counts); `stage` and `percent` say where a pipeline
    stopped and are filled in by it.
    """

    code: ClassVar[str] = "ANALYSIS_FAILED"
    message_ko: ClassVar[str] = "처리 중 오류가 발생했습니다."

    def __init__(self, message: str, **details: object) -> None:
        """Say what happened and what to do; `details` go to the JSON as they are."""
        super().__init__(message)
        self.details = details
        self.stage: str | None = None
        self.percent: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the `error` object of the product's answers: code, message, details."""
        return {"code": self.code, "message": self.message_ko, "details": dict(self.details)}


class UnsupportedMedia(AnalysisError):
    """Not a video that can be read; `reason` tells the causes below apart."""

    code: ClassVar[str] = "UNSUPPORTED_MEDIA_FORMAT"
    message_ko: ClassVar[str] = "지원하지 않는 영상 형식입니다. mp4, mov, webm 영상을 올려 주세요."
    reason: ClassVar[str] = "not_a_video"

    def __init__(self, message: str, **details: object) -> None:
        """Add the class's `reason` to the details."""
        super().__init__(message, **{"reason": self.reason, **details})


class EmptyMedia(UnsupportedMedia):
    """The file has no bytes."""

    reason: ClassVar[str] = "empty"


class NoVideoStream(UnsupportedMedia):
    """A container without a video track, such as a sound recording."""

    reason: ClassVar[str] = "no_video_stream"


class UndecodableMedia(UnsupportedMedia):
    """A video whose index or first picture cannot be decoded: broken or cut off."""

    reason: ClassVar[str] = "undecodable"


class ResolutionOutOfRange(UnsupportedMedia):
    """Pictures larger or smaller than the limits."""

    reason: ClassVar[str] = "resolution"


class MediaTooLarge(UnsupportedMedia):
    """More bytes or more frames than the limits."""

    message_ko: ClassVar[str] = "영상 파일이 너무 큽니다. 짧게 다시 촬영해 주세요."
    reason: ClassVar[str] = "too_large"


class InvalidFileType(UnsupportedMedia):
    """The gait check's word for a file that is not a readable video."""

    code: ClassVar[str] = "INVALID_FILE_TYPE"
    message_ko: ClassVar[str] = "mp4 형식의 영상을 업로드해 주세요."


class MissionVideoInvalid(UnsupportedMedia):
    """The mission check's word for a file that is not a readable video."""

    code: ClassVar[str] = "MISSION_VIDEO_INVALID"
    message_ko: ClassVar[str] = "돌발미션 영상을 불러올 수 없습니다."


class VideoTooLong(AnalysisError):
    """The video is longer than the limit; film less, or name the part with `span_ms`."""

    code: ClassVar[str] = "VIDEO_TOO_LONG"
    message_ko: ClassVar[str] = "영상 길이가 너무 깁니다. 10초 이하로 업로드해 주세요."


class InsufficientFrames(AnalysisError):
    """Too few usable frames to say anything."""

    code: ClassVar[str] = "INSUFFICIENT_FRAMES"
    message_ko: ClassVar[str] = (
        "분석에 필요한 보행 장면이 부족합니다. 5~10초 정도 다시 촬영해 주세요."
    )


class DogNotTracked(AnalysisError):
    """The dog was not found, or lost for too long; film from the side, closer, in more light."""

    code: ClassVar[str] = "DOG_NOT_TRACKED"
    message_ko: ClassVar[str] = (
        "반려견을 안정적으로 추적하지 못했습니다. 촬영 각도/거리/조명을 바꿔 다시 촬영해 주세요."
    )


class InferenceTimeout(AnalysisError):
    """The analysis took longer than its limit; a cheaper plan or a faster machine helps."""

    code: ClassVar[str] = "INFERENCE_TIMEOUT"
    message_ko: ClassVar[str] = "분석 시간이 초과되었습니다. 잠시 후 다시 시도해 주세요."


class FaceNotDetected(AnalysisError):
    """A dog's face was found in too few frames."""

    code: ClassVar[str] = "FACE_NOT_DETECTED"
    message_ko: ClassVar[str] = (
        "영상에서 반려견 얼굴을 검출하지 못했습니다. "
        "반려견의 얼굴이 정면으로 보이게 다시 촬영해주세요."
    )


class FaceTooSmall(AnalysisError):
    """The face covers too little of the picture; come closer."""

    code: ClassVar[str] = "FACE_TOO_SMALL"
    message_ko: ClassVar[str] = (
        "반려견의 얼굴이 너무 작게 보입니다. 조금 더 가까이에서 촬영해주세요."
    )


class LowQualityFace(AnalysisError):
    """The face is covered, blurred or turned away in too many frames."""

    code: ClassVar[str] = "LOW_QUALITY_FACE"
    message_ko: ClassVar[str] = (
        "얼굴이 가려지거나 흐릿합니다. 밝은 곳에서 얼굴이 보이게 다시 촬영해주세요."
    )


class EmotionInferenceFailed(AnalysisError):
    """The emotion model gave no usable probabilities; verify or reload the bundle."""

    code: ClassVar[str] = "EMOTION_INFERENCE_FAILED"
    message_ko: ClassVar[str] = "감정 분석 모델 추론 중 오류가 발생했습니다."


class NarrationFailed(AnalysisError):
    """The probabilities or the references do not allow a sentence."""

    code: ClassVar[str] = "NARRATION_GENERATION_FAILED"
    message_ko: ClassVar[str] = "나레이션을 만들지 못했습니다."


class InvalidMissionType(AnalysisError):
    """A mission that is none of SIT, DOWN, PAW, TURN, JUMP."""

    code: ClassVar[str] = "INVALID_MISSION_TYPE"
    message_ko: ClassVar[str] = "지원하지 않는 미션 유형입니다."


# --- running modes of analyzers --------------------------------------------------------------
class AnalyzerError(EdgeError):
    """Base of calls that an analyzer does not take."""

    code: ClassVar[str] = "analyzer_error"


class WrongRunningMode(AnalyzerError):
    """The method belongs to another running mode than the analyzer was made with."""

    code: ClassVar[str] = "wrong_running_mode"


class TimestampsNotRising(AnalyzerError):
    """A frame's timestamp is not greater than the one before."""

    code: ClassVar[str] = "timestamps_not_rising"


class InvalidImage(AnalyzerError):
    """Not an array of shape (height, width, 3) and dtype uint8 with at least 16 px a side."""

    code: ClassVar[str] = "invalid_image"


class AnalyzerClosed(AnalyzerError):
    """The analyzer was closed; make a new one."""

    code: ClassVar[str] = "analyzer_closed"


# --- smoothing -------------------------------------------------------------------------------
class SmoothingError(EdgeError):
    """Base of what the filters refuse."""

    code: ClassVar[str] = "smoothing_error"


class FilterTimeNotRising(SmoothingError):
    """A frame is not later than the one before it; sort the frames or `reset()` the filter."""

    code: ClassVar[str] = "filter_time_not_rising"

    def __init__(self, before_ms: float | None, now_ms: float) -> None:
        """Name both times."""
        super().__init__(
            f"time {now_ms} ms does not come after {before_ms} ms: sort the frames, "
            "or reset() the filter for a new track",
        )
        self.before_ms = before_ms
        self.now_ms = now_ms


class DisplayFilteredInput(SmoothingError):
    """Keypoints smoothed for the screen were given to a measurement; give it the raw ones."""

    code: ClassVar[str] = "display_filtered_input"

    def __init__(self) -> None:
        """Say what to give instead."""
        super().__init__(
            "these keypoints went through a DisplayFilter, which lags and flattens: measure the "
            "raw keypoints, or those of a MeasurementFilter",
        )


# --- gait ------------------------------------------------------------------------------------
class GaitError(EdgeError):
    """Base of what the gait functions refuse."""

    code: ClassVar[str] = "gait_error"


class GaitInputInvalid(GaitError):
    """Keypoints or times of the wrong shape, infinite, or not rising; the message names it."""

    code: ClassVar[str] = "gait_input_invalid"


class TrendInputInvalid(GaitError):
    """Sessions of a trend that are not in the order of their times."""

    code: ClassVar[str] = "trend_input_invalid"


# --- bundles ---------------------------------------------------------------------------------
class BundleError(EdgeError):
    """Base of what can be wrong with a model bundle."""

    code: ClassVar[str] = "bundle_error"


class ManifestInvalid(BundleError):
    """A manifest that is no manifest, or whose parts contradict each other."""

    code: ClassVar[str] = "manifest_invalid"

    def __init__(self, field: str, problem: str) -> None:
        """Name the field as a JSON path and what is wrong with it."""
        super().__init__(f"manifest.json {field}: {problem}; export the bundle anew")
        self.field = field
        self.problem = problem


class ManifestFieldMissing(ManifestInvalid):
    """A field is not there; the manifest must say everything."""

    code: ClassVar[str] = "manifest_field_missing"


class ManifestFieldUnknown(ManifestInvalid):
    """A field that this version does not know: a spelling mistake, or a newer format."""

    code: ClassVar[str] = "manifest_field_unknown"


class BundleNotFound(BundleError):
    """Neither a bundle's folder nor a zip of one is at this path."""

    code: ClassVar[str] = "bundle_not_found"


class BundlePathUnsafe(BundleError):
    """A path that leads out of the bundle, a link, or a name that not every system has."""

    code: ClassVar[str] = "bundle_path_unsafe"


class BundleArchiveInvalid(BundleError):
    """A zip that is broken, encrypted, or unpacks to more than its manifest says."""

    code: ClassVar[str] = "bundle_archive_invalid"


class BundleFileMissing(BundleError):
    """A file of the manifest is not there: the copy is incomplete, get the bundle anew."""

    code: ClassVar[str] = "bundle_file_missing"


class BundleFileUnexpected(BundleError):
    """A file that the manifest does not list: remove it, or get the bundle anew."""

    code: ClassVar[str] = "bundle_file_unexpected"


class BundleFileChanged(BundleError):
    """A file has another length or hash than the manifest says: get the bundle anew."""

    code: ClassVar[str] = "bundle_file_changed"


class BundleStorageFailed(BundleError):
    """A bundle's file cannot be read or written here: free space, or check the permissions."""

    code: ClassVar[str] = "bundle_storage_failed"


class BundleTooLarge(BundleError):
    """More bytes or files than a bundle may have; `MAX_BUNDLE_BYTES` says how many."""

    code: ClassVar[str] = "bundle_too_large"


class LicenceRefused(BundleError):
    """The licence of the weights is not among `allow_licences`."""

    code: ClassVar[str] = "licence_refused"


class GoldenInvalid(BundleError):
    """Golden vectors that cannot be read, or that contradict the manifest."""

    code: ClassVar[str] = "golden_invalid"


class BundleUnusable(BundleError):
    """No variant of a stage passes its self-test here; `reasons` says why for each."""

    code: ClassVar[str] = "bundle_unusable"

    def __init__(self, message: str, reasons: tuple[str, ...]) -> None:
        """List the reason of each variant."""
        super().__init__(f"{message}: {'; '.join(reasons) or 'no variant fits the choice'}")
        self.reasons = reasons


class BundleClosed(BundleError):
    """The bundle was closed; load it again."""

    code: ClassVar[str] = "bundle_closed"


class StageUnknown(BundleError):
    """The bundle has no stage of this name."""

    code: ClassVar[str] = "stage_unknown"


# --- runtimes --------------------------------------------------------------------------------
class RuntimeFailure(EdgeError):
    """Base of what can go wrong between a model file and the library that runs it."""

    code: ClassVar[str] = "runtime_error"


class RuntimeUnsupported(RuntimeFailure):
    """This runtime does not exist on this system."""

    code: ClassVar[str] = "runtime_unsupported"


class ModelUnreadable(RuntimeFailure):
    """The runtime cannot read the model file."""

    code: ClassVar[str] = "model_unreadable"


class ModelMismatch(RuntimeFailure):
    """A model with other inputs or outputs than its manifest says."""

    code: ClassVar[str] = "model_mismatch"


class InferenceFailed(RuntimeFailure):
    """The runtime gave an error, or numbers that are not finite."""

    code: ClassVar[str] = "inference_failed"


class SelfTestFailed(RuntimeFailure):
    """A variant's answer to a golden vector is too far from what it must be."""

    code: ClassVar[str] = "self_test_failed"


class BatchInvalid(RuntimeFailure):
    """An input that is not (N, height, width, 3) float32 of the stage."""

    code: ClassVar[str] = "batch_invalid"
