"""Ed25519 keys on the disk: made, read, never printed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edge_sdk.update.metadata import Envelope, Key, Signature
from model_export.publish.errors import KeyInvalid


@dataclass(frozen=True)
class SigningKey:
    """A private key; `public` is what goes into the root metadata."""

    private: Ed25519PrivateKey

    @classmethod
    def create(cls) -> SigningKey:
        """Draw a new key from the system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path) -> SigningKey:
        """Read an unencrypted PEM file; raise KeyInvalid where it is not an Ed25519 key."""
        try:
            private = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise KeyInvalid(f"{path}: {error}") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyInvalid(f"{path} is not an Ed25519 key")
        return cls(private)

    def write(self, path: Path) -> None:
        """Write a new PEM file that only its owner can read; an existing one is never replaced."""
        data = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise KeyInvalid(f"{path} exists already; a key is never overwritten") from None
        with os.fdopen(handle, "wb") as file:
            file.write(data)

    @property
    def public(self) -> Key:
        """The public half."""
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Key("ed25519", raw.hex())

    @property
    def key_id(self) -> str:
        """The id under which it signs."""
        return self.public.key_id


def signed_by(text: str, keys: list[SigningKey]) -> Envelope:
    """Sign a metadata text with each of the keys."""
    return Envelope(
        text, tuple(Signature(k.key_id, k.private.sign(text.encode()).hex()) for k in keys)
    )
