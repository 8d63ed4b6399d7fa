"""Signed metadata of a bundle repository: four roles, as in The Update Framework (TUF 1.0).

`root` names the keys, `targets` the bundles, `snapshot` pins the version of `targets`, `timestamp`
pins `snapshot` and is signed anew often. What is signed is the exact text in `signed`, carried as
a JSON string, so that no two programs can disagree about its bytes.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from edge_sdk.errors import MissingExtra
from edge_sdk.update.errors import MetadataInvalid, NotTrusted

FORMAT: Final = "daengdong-trust/1"
Role = Literal["root", "timestamp", "snapshot", "targets"]
ROLES: Final[tuple[Role, ...]] = ("root", "timestamp", "snapshot", "targets")
MAX_METADATA_BYTES: Final = 256_000
MAX_TIMESTAMP_BYTES: Final = 16_000
MAX_BUNDLE_BYTES: Final = 64_000_000

Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Hex64 = Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]
Version = Annotated[int, Meta(ge=1, le=2**31)]
# A file name, never a path: no separator, no leading dot.
BundleName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Signature(_Strict, frozen=True):
    """One Ed25519 signature over the text of `Envelope.signed`."""

    key_id: Hex32
    signature: Hex64


class Envelope(_Strict, frozen=True):
    """What a metadata file holds: the signed text and its signatures."""

    signed: str
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=64)]


class Key(_Strict, frozen=True):
    """A public key, 32 bytes in hex; its id is the SHA-256 of those bytes."""

    kind: Literal["ed25519"]
    public: Hex32

    @property
    def key_id(self) -> str:
        """The id under which signatures name this key."""
        return hashlib.sha256(bytes.fromhex(self.public)).hexdigest()


class RoleKeys(_Strict, frozen=True):
    """Whose signatures a role needs, and how many of them."""

    key_ids: Annotated[tuple[Hex32, ...], Meta(min_length=1, max_length=32)]
    threshold: Annotated[int, Meta(ge=1, le=32)]


class FileInfo(_Strict, frozen=True):
    """Version, length in bytes and SHA-256 of another metadata file."""

    version: Version
    length: Annotated[int, Meta(ge=1, le=MAX_METADATA_BYTES)]
    sha256: Hex32


class Target(_Strict, frozen=True):
    """One published bundle; `serial` only ever grows."""

    serial: Version
    length: Annotated[int, Meta(ge=1, le=MAX_BUNDLE_BYTES)]
    sha256: Hex32

    def file_name(self, name: str) -> str:
        """Where the bundle lies in the repository: its content names it."""
        return f"targets/{self.sha256}.{name}.zip"


class _Signed(_Strict, frozen=True, tag_field="role"):
    format: Literal["daengdong-trust/1"]
    version: Version
    # UTC milliseconds since 1970.
    expires_ms: Annotated[int, Meta(ge=0, le=2**53)]


class Root(_Signed, frozen=True, tag="root"):
    """The keys of every role; a new root is signed by the old one's keys and by its own."""

    keys: dict[Hex32, Key]
    roles: dict[Role, RoleKeys]


class Timestamp(_Signed, frozen=True, tag="timestamp"):
    """The newest snapshot."""

    snapshot: FileInfo


class Snapshot(_Signed, frozen=True, tag="snapshot"):
    """The targets metadata that belongs to this state of the repository."""

    targets: FileInfo


class Targets(_Signed, frozen=True, tag="targets"):
    """The bundles on offer by name."""

    targets: dict[BundleName, Target]


Signed = Root | Timestamp | Snapshot | Targets
S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


def open_envelope(data: bytes, kind: type[S]) -> tuple[Envelope, S]:
    """Read a metadata file of one role; its signatures are not checked here.

    Raises MetadataInvalid for bytes of another shape, role or format.
    """
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        signed = msgspec.json.decode(envelope.signed, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MetadataInvalid(f"not {kind.__name__.lower()} metadata: {error}") from None
    if isinstance(signed, Root):
        _check_root(signed)
    return envelope, signed


def _check_root(root: Root) -> None:
    for key_id, key in root.keys.items():
        # A key under two ids would count twice.
        if key.key_id != key_id:
            raise MetadataInvalid(f"root: the key {key_id[:12]} has another id")
    for role in ROLES:
        keys = root.roles.get(role)
        if keys is None:
            raise MetadataInvalid(f"root: no keys for {role}")
        if len(set(keys.key_ids) & set(root.keys)) < keys.threshold:
            raise MetadataInvalid(f"root: {role} can never reach its threshold")


def verify(envelope: Envelope, root: Root, role: Role) -> None:
    """Check that enough distinct keys of the role signed; raise NotTrusted if not.

    Raises MissingExtra without the `cryptography` library.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise MissingExtra("cryptography", "update") from None
    wanted = root.roles[role]
    good: set[str] = set()
    for signature in envelope.signatures:
        key = root.keys.get(signature.key_id)
        if key is None or signature.key_id not in wanted.key_ids:
            continue
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public))
            public.verify(bytes.fromhex(signature.signature), envelope.signed.encode())
        except (InvalidSignature, ValueError):
            continue
        good.add(signature.key_id)
    if len(good) < wanted.threshold:
        raise NotTrusted(f"{role}: {len(good)} of {wanted.threshold} needed signatures are valid")
