"""What runs on the phone: seeing a dog in pictures, recording walks offline, syncing them.

Names are imported when first used (PEP 562), so `import edge_sdk` loads neither NumPy nor the
libraries of the extras:

    import edge_sdk

    bundle = edge_sdk.ModelBundle.load("assets/models/dog-pose")
    with bundle, edge_sdk.GaitAnalyzer(bundle) as gait:
        report = gait.analyze("walk.mp4").report
    report = edge_sdk.gait.score(keypoints, timestamps_ms)

    async with await edge_sdk.LocalStore.open("phone.sqlite") as store:
        recorder = await edge_sdk.WalkRecorder.resume(store, now_ms)
        await recorder.start([dog_id], now_ms)
        await recorder.add(edge_sdk.Fix(t_ms=now_ms, lat=37.5665, lng=126.9780, accuracy_m=6.0))
        await recorder.finish(later_ms)
        report = await edge_sdk.SyncClient(store, edge_sdk.HttpTransport(address)).sync()
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_sdk import face as face
    from edge_sdk import gait as gait
    from edge_sdk import mission as mission
    from edge_sdk.analyzers.modes import LiveResult as LiveResult
    from edge_sdk.analyzers.modes import RunningMode as RunningMode
    from edge_sdk.bundle.loader import ModelBundle as ModelBundle
    from edge_sdk.bundle.manifest import Manifest as Manifest
    from edge_sdk.bundle.manifest import load_manifest as load_manifest
    from edge_sdk.bundle.stage import Fallback as Fallback
    from edge_sdk.bundle.stage import LoadedStage as LoadedStage
    from edge_sdk.bundle.verify import BundleCheck as BundleCheck
    from edge_sdk.bundle.verify import verify_bundle as verify_bundle
    from edge_sdk.errors import AnalysisError as AnalysisError
    from edge_sdk.errors import AnalyzerClosed as AnalyzerClosed
    from edge_sdk.errors import AnalyzerError as AnalyzerError
    from edge_sdk.errors import BatchInvalid as BatchInvalid
    from edge_sdk.errors import BundleArchiveInvalid as BundleArchiveInvalid
    from edge_sdk.errors import BundleClosed as BundleClosed
    from edge_sdk.errors import BundleError as BundleError
    from edge_sdk.errors import BundleFileChanged as BundleFileChanged
    from edge_sdk.errors import BundleFileMissing as BundleFileMissing
    from edge_sdk.errors import BundleFileUnexpected as BundleFileUnexpected
    from edge_sdk.errors import BundleNotFound as BundleNotFound
    from edge_sdk.errors import BundlePathUnsafe as BundlePathUnsafe
    from edge_sdk.errors import BundleStorageFailed as BundleStorageFailed
    from edge_sdk.errors import BundleTooLarge as BundleTooLarge
    from edge_sdk.errors import BundleUnusable as BundleUnusable
    from edge_sdk.errors import ChecksumMismatch as ChecksumMismatch
    from edge_sdk.errors import DisplayFilteredInput as DisplayFilteredInput
    from edge_sdk.errors import DogNotTracked as DogNotTracked
    from edge_sdk.errors import EdgeError as EdgeError
    from edge_sdk.errors import EmotionInferenceFailed as EmotionInferenceFailed
    from edge_sdk.errors import EmptyMedia as EmptyMedia
    from edge_sdk.errors import FaceNotDetected as FaceNotDetected
    from edge_sdk.errors import FaceTooSmall as FaceTooSmall
    from edge_sdk.errors import FactError as FactError
    from edge_sdk.errors import FilterTimeNotRising as FilterTimeNotRising
    from edge_sdk.errors import FixInvalid as FixInvalid
    from edge_sdk.errors import GaitError as GaitError
    from edge_sdk.errors import GaitInputInvalid as GaitInputInvalid
    from edge_sdk.errors import GoldenInvalid as GoldenInvalid
    from edge_sdk.errors import GpxError as GpxError
    from edge_sdk.errors import GpxInvalid as GpxInvalid
    from edge_sdk.errors import GpxRefused as GpxRefused
    from edge_sdk.errors import GpxTooLarge as GpxTooLarge
    from edge_sdk.errors import GpxWithoutTimes as GpxWithoutTimes
    from edge_sdk.errors import HlcError as HlcError
    from edge_sdk.errors import InferenceFailed as InferenceFailed
    from edge_sdk.errors import InferenceTimeout as InferenceTimeout
    from edge_sdk.errors import InsufficientFrames as InsufficientFrames
    from edge_sdk.errors import InvalidFileType as InvalidFileType
    from edge_sdk.errors import InvalidImage as InvalidImage
    from edge_sdk.errors import InvalidMissionType as InvalidMissionType
    from edge_sdk.errors import LicenceRefused as LicenceRefused
    from edge_sdk.errors import LowQualityFace as LowQualityFace
    from edge_sdk.errors import ManifestFieldMissing as ManifestFieldMissing
    from edge_sdk.errors import ManifestFieldUnknown as ManifestFieldUnknown
    from edge_sdk.errors import ManifestInvalid as ManifestInvalid
    from edge_sdk.errors import MediaTooLarge as MediaTooLarge
    from edge_sdk.errors import MissingExtra as MissingExtra
    from edge_sdk.errors import MissionVideoInvalid as MissionVideoInvalid
    from edge_sdk.errors import ModelMismatch as ModelMismatch
    from edge_sdk.errors import ModelUnreadable as ModelUnreadable
    from edge_sdk.errors import NarrationFailed as NarrationFailed
    from edge_sdk.errors import NoOpenWalk as NoOpenWalk
    from edge_sdk.errors import NoVideoStream as NoVideoStream
    from edge_sdk.errors import PackedError as PackedError
    from edge_sdk.errors import ProtocolViolation as ProtocolViolation
    from edge_sdk.errors import RecorderError as RecorderError
    from edge_sdk.errors import RequestRefused as RequestRefused
    from edge_sdk.errors import ResolutionOutOfRange as ResolutionOutOfRange
    from edge_sdk.errors import RuntimeFailure as RuntimeFailure
    from edge_sdk.errors import RuntimeUnsupported as RuntimeUnsupported
    from edge_sdk.errors import SelfTestFailed as SelfTestFailed
    from edge_sdk.errors import ServerUnavailable as ServerUnavailable
    from edge_sdk.errors import SignInNeeded as SignInNeeded
    from edge_sdk.errors import SmoothingError as SmoothingError
    from edge_sdk.errors import StageUnknown as StageUnknown
    from edge_sdk.errors import StoreClosed as StoreClosed
    from edge_sdk.errors import StoreCorrupt as StoreCorrupt
    from edge_sdk.errors import StoreError as StoreError
    from edge_sdk.errors import StoreFull as StoreFull
    from edge_sdk.errors import StoreInUse as StoreInUse
    from edge_sdk.errors import StoreReadOnly as StoreReadOnly
    from edge_sdk.errors import StoreTooNew as StoreTooNew
    from edge_sdk.errors import SyncError as SyncError
    from edge_sdk.errors import TimestampsNotRising as TimestampsNotRising
    from edge_sdk.errors import TrendInputInvalid as TrendInputInvalid
    from edge_sdk.errors import UndecodableMedia as UndecodableMedia
    from edge_sdk.errors import UnknownFactType as UnknownFactType
    from edge_sdk.errors import UnknownWalk as UnknownWalk
    from edge_sdk.errors import Unreachable as Unreachable
    from edge_sdk.errors import UnsupportedMedia as UnsupportedMedia
    from edge_sdk.errors import VideoTooLong as VideoTooLong
    from edge_sdk.errors import WalkIsOpen as WalkIsOpen
    from edge_sdk.errors import WalkTooLong as WalkTooLong
    from edge_sdk.errors import WrongRunningMode as WrongRunningMode
    from edge_sdk.face.analyzer import FaceAnalyzer as FaceAnalyzer
    from edge_sdk.face.result import FaceAnalysis as FaceAnalysis
    from edge_sdk.face.result import FaceResult as FaceResult
    from edge_sdk.gait.pipeline import GaitAnalyzer as GaitAnalyzer
    from edge_sdk.gait.report import GaitReport as GaitReport
    from edge_sdk.gait.results import GaitAnalysis as GaitAnalysis
    from edge_sdk.ids import uuid7 as uuid7
    from edge_sdk.media.frames import Frame as Frame
    from edge_sdk.mission.analyzer import MissionChecker as MissionChecker
    from edge_sdk.mission.result import Mission as Mission
    from edge_sdk.mission.result import MissionVerdict as MissionVerdict
    from edge_sdk.smoothing.display import DisplayFilter as DisplayFilter
    from edge_sdk.smoothing.ema import EmaFilter as EmaFilter
    from edge_sdk.smoothing.measurement import MeasurementFilter as MeasurementFilter
    from edge_sdk.smoothing.one_euro import OneEuroFilter as OneEuroFilter
    from edge_sdk.smoothing.savitzky_golay import SavitzkyGolayFilter as SavitzkyGolayFilter
    from edge_sdk.sync.backoff import RetryPolicy as RetryPolicy
    from edge_sdk.sync.client import PullReport as PullReport
    from edge_sdk.sync.client import PushReport as PushReport
    from edge_sdk.sync.client import SyncClient as SyncClient
    from edge_sdk.sync.client import SyncReport as SyncReport
    from edge_sdk.sync.client import WalkCorrection as WalkCorrection
    from edge_sdk.sync.packed import pack as pack
    from edge_sdk.sync.packed import unpack as unpack
    from edge_sdk.sync.store import LocalStore as LocalStore
    from edge_sdk.sync.store import LoggedFact as LoggedFact
    from edge_sdk.sync.store import LogState as LogState
    from edge_sdk.sync.transport import HttpAnswer as HttpAnswer
    from edge_sdk.sync.transport import HttpTransport as HttpTransport
    from edge_sdk.sync.transport import Transport as Transport
    from edge_sdk.update.client import BundleUpdater as BundleUpdater
    from edge_sdk.update.client import Installed as Installed
    from edge_sdk.update.client import Offer as Offer
    from edge_sdk.update.client import UpdateReport as UpdateReport
    from edge_sdk.update.errors import BundleRefused as BundleRefused
    from edge_sdk.update.errors import ContentMismatch as ContentMismatch
    from edge_sdk.update.errors import DownloadTooLong as DownloadTooLong
    from edge_sdk.update.errors import MetadataExpired as MetadataExpired
    from edge_sdk.update.errors import MetadataInvalid as MetadataInvalid
    from edge_sdk.update.errors import NothingInstalled as NothingInstalled
    from edge_sdk.update.errors import NotPublished as NotPublished
    from edge_sdk.update.errors import NotTrusted as NotTrusted
    from edge_sdk.update.errors import RepositoryUnreachable as RepositoryUnreachable
    from edge_sdk.update.errors import RolledBack as RolledBack
    from edge_sdk.update.errors import UpdateError as UpdateError
    from edge_sdk.update.errors import UpdateStorageFailed as UpdateStorageFailed
    from edge_sdk.update.transport import HttpFetcher as HttpFetcher
    from edge_sdk.vision.classify import Classifier as Classifier
    from edge_sdk.vision.detect import Detector as Detector
    from edge_sdk.vision.detections import Detections as Detections
    from edge_sdk.vision.pose import PoseEstimator as PoseEstimator
    from edge_sdk.walk.gpx import GpxTrack as GpxTrack
    from edge_sdk.walk.gpx import read_gpx as read_gpx
    from edge_sdk.walk.gpx import read_gpx_track as read_gpx_track
    from edge_sdk.walk.recorder import WalkEnd as WalkEnd
    from edge_sdk.walk.recorder import WalkProgress as WalkProgress
    from edge_sdk.walk.recorder import WalkRecorder as WalkRecorder
    from edge_sdk.walk.walk_table import Fix as Fix
    from edge_sdk.walk.walk_table import LocalWalk as LocalWalk

_ROOMS = ("face", "gait", "mission")
_NAMES_BY_MODULE = {
    "analyzers.modes": ("LiveResult", "RunningMode"),
    "bundle.loader": ("ModelBundle",),
    "bundle.manifest": ("Manifest", "load_manifest"),
    "bundle.stage": ("Fallback", "LoadedStage"),
    "bundle.verify": ("BundleCheck", "verify_bundle"),
    "errors": (
        "AnalysisError",
        "AnalyzerClosed",
        "AnalyzerError",
        "BatchInvalid",
        "BundleArchiveInvalid",
        "BundleClosed",
        "BundleError",
        "BundleFileChanged",
        "BundleFileMissing",
        "BundleFileUnexpected",
        "BundleNotFound",
        "BundlePathUnsafe",
        "BundleStorageFailed",
        "BundleTooLarge",
        "BundleUnusable",
        "ChecksumMismatch",
        "DisplayFilteredInput",
        "DogNotTracked",
        "EdgeError",
        "EmotionInferenceFailed",
        "EmptyMedia",
        "FaceNotDetected",
        "FaceTooSmall",
        "FactError",
        "FilterTimeNotRising",
        "FixInvalid",
        "GaitError",
        "GaitInputInvalid",
        "GoldenInvalid",
        "GpxError",
        "GpxInvalid",
        "GpxRefused",
        "GpxTooLarge",
        "GpxWithoutTimes",
        "HlcError",
        "InferenceFailed",
        "InferenceTimeout",
        "InsufficientFrames",
        "InvalidFileType",
        "InvalidImage",
        "InvalidMissionType",
        "LicenceRefused",
        "LowQualityFace",
        "ManifestFieldMissing",
        "ManifestFieldUnknown",
        "ManifestInvalid",
        "MediaTooLarge",
        "MissingExtra",
        "MissionVideoInvalid",
        "ModelMismatch",
        "ModelUnreadable",
        "NarrationFailed",
        "NoOpenWalk",
        "NoVideoStream",
        "PackedError",
        "ProtocolViolation",
        "RecorderError",
        "RequestRefused",
        "ResolutionOutOfRange",
        "RuntimeFailure",
        "RuntimeUnsupported",
        "SelfTestFailed",
        "ServerUnavailable",
        "SignInNeeded",
        "SmoothingError",
        "StageUnknown",
        "StoreClosed",
        "StoreCorrupt",
        "StoreError",
        "StoreFull",
        "StoreInUse",
        "StoreReadOnly",
        "StoreTooNew",
        "SyncError",
        "TimestampsNotRising",
        "TrendInputInvalid",
        "UndecodableMedia",
        "UnknownFactType",
        "UnknownWalk",
        "Unreachable",
        "UnsupportedMedia",
        "VideoTooLong",
        "WalkIsOpen",
        "WalkTooLong",
        "WrongRunningMode",
    ),
    "face.analyzer": ("FaceAnalyzer",),
    "face.result": ("FaceAnalysis", "FaceResult"),
    "gait.pipeline": ("GaitAnalyzer",),
    "gait.report": ("GaitReport",),
    "gait.results": ("GaitAnalysis",),
    "ids": ("uuid7",),
    "media.frames": ("Frame",),
    "mission.analyzer": ("MissionChecker",),
    "mission.result": ("Mission", "MissionVerdict"),
    "smoothing.display": ("DisplayFilter",),
    "smoothing.ema": ("EmaFilter",),
    "smoothing.measurement": ("MeasurementFilter",),
    "smoothing.one_euro": ("OneEuroFilter",),
    "smoothing.savitzky_golay": ("SavitzkyGolayFilter",),
    "sync.backoff": ("RetryPolicy",),
    "sync.client": ("PullReport", "PushReport", "SyncClient", "SyncReport", "WalkCorrection"),
    "sync.packed": ("pack", "unpack"),
    "sync.store": ("LocalStore", "LogState", "LoggedFact"),
    "sync.transport": ("HttpAnswer", "HttpTransport", "Transport"),
    "update.client": ("BundleUpdater", "Installed", "Offer", "UpdateReport"),
    "update.errors": (
        "BundleRefused",
        "ContentMismatch",
        "DownloadTooLong",
        "MetadataExpired",
        "MetadataInvalid",
        "NotPublished",
        "NotTrusted",
        "NothingInstalled",
        "RepositoryUnreachable",
        "RolledBack",
        "UpdateError",
        "UpdateStorageFailed",
    ),
    "update.transport": ("HttpFetcher",),
    "vision.classify": ("Classifier",),
    "vision.detect": ("Detector",),
    "vision.detections": ("Detections",),
    "vision.pose": ("PoseEstimator",),
    "walk.gpx": ("GpxTrack", "read_gpx", "read_gpx_track"),
    "walk.recorder": ("WalkEnd", "WalkProgress", "WalkRecorder"),
    "walk.walk_table": ("Fix", "LocalWalk"),
}
_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = [*_ROOMS, *_MODULE_OF]


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return import_module(f"edge_sdk.{name}")
    try:
        module = import_module(f"edge_sdk.{_MODULE_OF[name]}")
    except KeyError:
        raise AttributeError(f"module 'edge_sdk' has no attribute {name!r}") from None
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
