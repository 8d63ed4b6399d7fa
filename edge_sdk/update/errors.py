"""Errors of over-the-air updates; whatever is raised, the bundle in use stays the one in use."""

from __future__ import annotations

from typing import ClassVar

from edge_sdk.errors import EdgeError


class UpdateError(EdgeError):
    """Base of what can go wrong with an update."""

    code: ClassVar[str] = "update_error"


class RepositoryUnreachable(UpdateError):
    """No whole answer in time; try again later, the installed bundle goes on working."""

    code: ClassVar[str] = "repository_unreachable"


class NotPublished(UpdateError):
    """The repository does not have this file or this bundle."""

    code: ClassVar[str] = "not_published"


class DownloadTooLong(UpdateError):
    """More bytes than the metadata allows, or than a file of this kind may have."""

    code: ClassVar[str] = "download_too_long"


class MetadataInvalid(UpdateError):
    """Bytes that are not metadata of the expected role, version and shape."""

    code: ClassVar[str] = "metadata_invalid"


class NotTrusted(UpdateError):
    """Fewer valid signatures of distinct trusted keys than the role asks for."""

    code: ClassVar[str] = "not_trusted"


class RolledBack(UpdateError):
    """Metadata or a bundle older than one that was trusted before."""

    code: ClassVar[str] = "rolled_back"


class MetadataExpired(UpdateError):
    """The newest metadata on offer is out of date: the repository is abandoned or held back."""

    code: ClassVar[str] = "metadata_expired"


class ContentMismatch(UpdateError):
    """A file whose length or hash is not the one that was signed, or not the bundle it says."""

    code: ClassVar[str] = "content_mismatch"


class BundleRefused(UpdateError):
    """The new bundle failed its self-test on this device; it is not offered to it again."""

    code: ClassVar[str] = "bundle_refused"


class UpdateStorageFailed(UpdateError):
    """The update could not be written (disk full, read-only); free space and try again."""

    code: ClassVar[str] = "update_storage_failed"


class NothingInstalled(UpdateError):
    """There is no bundle of this name on the device, or none to go back to."""

    code: ClassVar[str] = "nothing_installed"
