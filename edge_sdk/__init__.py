"""What runs on the phone: recording walks offline and syncing them.

Names are imported when first used (PEP 562), so `import edge_sdk` loads neither NumPy nor the
libraries of the extras:

    import edge_sdk

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
    from edge_sdk.errors import (
        ChecksumMismatch,
        EdgeError,
        FactError,
        FixInvalid,
        GpxError,
        GpxInvalid,
        GpxRefused,
        GpxTooLarge,
        GpxWithoutTimes,
        HlcError,
        MissingExtra,
        NoOpenWalk,
        PackedError,
        ProtocolViolation,
        RecorderError,
        RequestRefused,
        ServerUnavailable,
        SignInNeeded,
        StoreClosed,
        StoreCorrupt,
        StoreError,
        StoreFull,
        StoreInUse,
        StoreReadOnly,
        StoreTooNew,
        SyncError,
        UnknownFactType,
        UnknownWalk,
        Unreachable,
        WalkIsOpen,
        WalkTooLong,
    )
    from edge_sdk.ids import uuid7
    from edge_sdk.sync.backoff import RetryPolicy
    from edge_sdk.sync.client import (
        PullReport,
        PushReport,
        SyncClient,
        SyncReport,
        WalkCorrection,
    )
    from edge_sdk.sync.packed import pack, unpack
    from edge_sdk.sync.store import LocalStore, LoggedFact, LogState
    from edge_sdk.sync.transport import HttpAnswer, HttpTransport, Transport
    from edge_sdk.walk.gpx import GpxTrack, read_gpx, read_gpx_track
    from edge_sdk.walk.recorder import WalkEnd, WalkProgress, WalkRecorder
    from edge_sdk.walk.walk_table import Fix, LocalWalk

_ERRORS = (
    "ChecksumMismatch",
    "EdgeError",
    "FactError",
    "FixInvalid",
    "GpxError",
    "GpxInvalid",
    "GpxRefused",
    "GpxTooLarge",
    "GpxWithoutTimes",
    "HlcError",
    "MissingExtra",
    "NoOpenWalk",
    "PackedError",
    "ProtocolViolation",
    "RecorderError",
    "RequestRefused",
    "ServerUnavailable",
    "SignInNeeded",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreInUse",
    "StoreReadOnly",
    "StoreTooNew",
    "SyncError",
    "UnknownFactType",
    "UnknownWalk",
    "Unreachable",
    "WalkIsOpen",
    "WalkTooLong",
)
_NAMES_BY_MODULE = {
    "errors": _ERRORS,
    "ids": ("uuid7",),
    "sync.backoff": ("RetryPolicy",),
    "sync.client": ("PullReport", "PushReport", "SyncClient", "SyncReport", "WalkCorrection"),
    "sync.packed": ("pack", "unpack"),
    "sync.store": ("LocalStore", "LogState", "LoggedFact"),
    "sync.transport": ("HttpAnswer", "HttpTransport", "Transport"),
    "walk.gpx": ("GpxTrack", "read_gpx", "read_gpx_track"),
    "walk.recorder": ("WalkEnd", "WalkProgress", "WalkRecorder"),
    "walk.walk_table": ("Fix", "LocalWalk"),
}
_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = [
    "ChecksumMismatch",
    "EdgeError",
    "FactError",
    "Fix",
    "FixInvalid",
    "GpxError",
    "GpxInvalid",
    "GpxRefused",
    "GpxTooLarge",
    "GpxTrack",
    "GpxWithoutTimes",
    "HlcError",
    "HttpAnswer",
    "HttpTransport",
    "LocalStore",
    "LocalWalk",
    "LogState",
    "LoggedFact",
    "MissingExtra",
    "NoOpenWalk",
    "PackedError",
    "ProtocolViolation",
    "PullReport",
    "PushReport",
    "RecorderError",
    "RequestRefused",
    "RetryPolicy",
    "ServerUnavailable",
    "SignInNeeded",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreInUse",
    "StoreReadOnly",
    "StoreTooNew",
    "SyncClient",
    "SyncError",
    "SyncReport",
    "Transport",
    "UnknownFactType",
    "UnknownWalk",
    "Unreachable",
    "WalkCorrection",
    "WalkEnd",
    "WalkIsOpen",
    "WalkProgress",
    "WalkRecorder",
    "WalkTooLong",
    "pack",
    "read_gpx",
    "read_gpx_track",
    "unpack",
    "uuid7",
]


def __getattr__(name: str) -> object:
    try:
        module = import_module(f"edge_sdk.{_MODULE_OF[name]}")
    except KeyError:
        raise AttributeError(f"module 'edge_sdk' has no attribute {name!r}") from None
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
