"""Errors of formats, the local store, recording a walk and syncing."""

from __future__ import annotations

from typing import ClassVar

from edge_sdk.errors.base import EdgeError


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
