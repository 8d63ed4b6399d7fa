"""Facts: what a phone writes down first and pushes later; one schema for phone and server.

A fact travels as `{"seq", "type", "payload", "hash"}` where `payload` is the JSON text of one of
the structs below, so that its hash does not depend on how a language writes JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edge_sdk.errors import FactError, UnknownFactType
from edge_sdk.ids import UUID7_PATTERN
from edge_sdk.sync.hashes import fact_hash

MAX_FACTS: Final = 100
"""Most facts in one push."""
MAX_PUSH_BYTES: Final = 256_000
"""Most bytes of a push body."""
MAX_PAYLOAD_BYTES: Final = 64_000
"""Most UTF-8 bytes of one payload, so that a push always has room for a fact."""
MAX_CHUNKS: Final = 10_000
"""Chunk numbers that a message can carry."""
MAX_WALK_CHUNKS: Final = 144
"""Most chunks of a walk that the server takes (`walk_too_long`): a day at 1 Hz."""

Id: TypeAlias = Annotated[str, Meta(pattern=UUID7_PATTERN, min_length=36, max_length=36)]
TimeMs: TypeAlias = Annotated[int, Meta(ge=0, lt=2**47)]
Sha256: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64)]
Chunk: TypeAlias = Annotated[int, Meta(ge=0, lt=MAX_CHUNKS)]
Count: TypeAlias = Annotated[int, Meta(ge=0, lt=2**31)]
Metres: TypeAlias = Annotated[float, Meta(ge=0, le=1e8)]
# A text column takes no NUL on PostgreSQL.
_NO_NUL: Final = r"^[^\x00]*$"
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=_NO_NUL)]
Stamp: TypeAlias = Annotated[str, Meta(min_length=57, max_length=57)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class WalkStart(_Body, frozen=True):
    """`walk.start`: a walk begins."""

    walk_id: Id
    dog_ids: Annotated[list[Id], Meta(max_length=16)]
    started_at_ms: TimeMs
    rules_version: Name
    source: Literal["live", "gpx"]


class WalkPoints(_Body, frozen=True):
    """`walk.points`: one chunk of packed fixes (base64), its hash, and the monotonic clock."""

    walk_id: Id
    chunk: Chunk
    packed: Annotated[str, Meta(min_length=4, max_length=48_000)]
    sha256: Sha256
    mono_first_ms: Annotated[int, Meta(ge=-(2**53), le=2**53)] | None
    mono_last_ms: Annotated[int, Meta(ge=-(2**53), le=2**53)] | None


class Prediction(_Body, frozen=True):
    """What the phone believes the walk earned; the server's verdict replaces it."""

    cells: Count
    distance_m: Metres


class WalkFinish(_Body, frozen=True):
    """`walk.finish`: the walk is over and has chunks 0 to chunks - 1."""

    walk_id: Id
    ended_at_ms: TimeMs
    chunks: Annotated[int, Meta(ge=0, le=MAX_CHUNKS)]
    auto: bool
    predicted: Prediction


class WalkCancel(_Body, frozen=True):
    """`walk.cancel`: the walk shall not count; wins over a finish."""

    walk_id: Id
    at_ms: TimeMs


class AnalysisAdd(_Body, frozen=True):
    """`analysis.add`: a face or gait result computed on the device."""

    analysis_id: Id
    kind: Literal["face", "gait"]
    dog_id: Id
    walk_id: Id | None
    at_ms: TimeMs
    result: dict[str, Any]


class DiarySet(_Body, frozen=True):
    """`diary.set`: one field of a diary entry; last writer wins by `hlc`."""

    entry_id: Id
    walk_id: Id | None
    date: Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)]
    field: Name
    value: Any
    hlc: Stamp


class MissionSubmit(_Body, frozen=True):
    """`mission.submit`: the video of a mission that the server offered."""

    mission_id: Id
    walk_id: Id
    mission_type: Name
    media_key: Annotated[str, Meta(min_length=1, max_length=200, pattern=_NO_NUL)]
    nonce: Annotated[str, Meta(min_length=1, max_length=200, pattern=_NO_NUL)]
    at_ms: TimeMs


class SettingsSet(_Body, frozen=True):
    """`settings.set`: one setting of the user; last writer wins by `hlc`."""

    field: Name
    value: Any
    hlc: Stamp


Body: TypeAlias = (
    WalkStart
    | WalkPoints
    | WalkFinish
    | WalkCancel
    | AnalysisAdd
    | DiarySet
    | MissionSubmit
    | SettingsSet
)

FACT_TYPES: Final[Mapping[str, type[Body]]] = MappingProxyType(
    {
        "walk.start": WalkStart,
        "walk.points": WalkPoints,
        "walk.finish": WalkFinish,
        "walk.cancel": WalkCancel,
        "analysis.add": AnalysisAdd,
        "diary.set": DiarySet,
        "mission.submit": MissionSubmit,
        "settings.set": SettingsSet,
    },
)
_TYPE_OF: Final = {body: name for name, body in FACT_TYPES.items()}
_DECODERS: Final = {name: msgspec.json.Decoder(body) for name, body in FACT_TYPES.items()}


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fact on the wire; `hash` covers type and payload, not the sequence number."""

    seq: Annotated[int, Meta(ge=1, lt=2**53)]
    type: Annotated[str, Meta(min_length=1, max_length=40)]
    payload: str
    hash: Sha256


def type_of(body: Body) -> str:
    """Return the wire name of a body's type."""
    return _TYPE_OF[type(body)]


def encode_payload(body: Body) -> str:
    """Return the payload text of a body; raise `FactError` where it breaks its own limits."""
    text = msgspec.json.encode(body).decode()
    # Encoding does not check limits; what is stored here must never be refused as malformed.
    decode_payload(type_of(body), text)
    return text


def decode_payload(fact_type: str, payload: str) -> Body:
    """Read a payload; raise `UnknownFactType`, or `FactError` naming the field that is wrong."""
    decoder = _DECODERS.get(fact_type)
    if decoder is None:
        raise UnknownFactType(f"unknown type of fact {fact_type[:40]!r}")
    try:
        data = payload.encode()
        if len(data) > MAX_PAYLOAD_BYTES:
            raise FactError(f"{fact_type}: payload of {len(data)} bytes, at most 64000 are taken")
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FactError(f"{fact_type}: {error}") from None


def make_fact(seq: int, body: Body) -> Fact:
    """Build the fact of a body; raise `FactError` where the body breaks its own limits."""
    fact_type, payload = type_of(body), encode_payload(body)
    return Fact(seq, fact_type, payload, fact_hash(fact_type, payload))


def read_fact(fact: Fact) -> Body:
    """Check a fact's hash and return its body; raise `FactError` or `UnknownFactType`."""
    try:
        right = fact_hash(fact.type, fact.payload) == fact.hash
    except UnicodeError:
        right = False
    if not right:
        raise FactError(f"{fact.type[:40]}: the hash is not that of type and payload")
    return decode_payload(fact.type, fact.payload)
