"""Errors of signing and publishing."""

from __future__ import annotations

from typing import ClassVar


class PublishError(Exception):
    """Base of what publishing refuses; the repository is left as it was."""

    code: ClassVar[str] = "publish_error"


class KeyInvalid(PublishError):
    """A key file that cannot be read, is of another kind, or would be overwritten."""

    code: ClassVar[str] = "key_invalid"


class NotEnoughKeys(PublishError):
    """Fewer keys were given than the role's threshold asks for."""

    code: ClassVar[str] = "not_enough_keys"


class SerialNotNewer(PublishError):
    """The bundle's serial is not above the published one; phones would refuse it."""

    code: ClassVar[str] = "serial_not_newer"


class RepositoryInvalid(PublishError):
    """The folder is not a repository, or its metadata does not verify."""

    code: ClassVar[str] = "repository_invalid"
