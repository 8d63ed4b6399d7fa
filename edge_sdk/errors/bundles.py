"""Errors of model bundles and of the runtimes that run them."""

from __future__ import annotations

from typing import ClassVar

from edge_sdk.errors.base import EdgeError


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
