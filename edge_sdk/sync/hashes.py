"""Hashes and checksums of the sync protocol; docs/sync-protocol.md defines them."""

from __future__ import annotations

from hashlib import sha256


def fact_hash(fact_type: str, payload: str) -> str:
    """Return the content hash of a fact: hex sha256 of type, line feed, payload text."""
    return sha256(f"{fact_type}\n{payload}".encode()).hexdigest()


def chunk_sha256(packed: bytes) -> str:
    """Return the hex sha256 of the bytes of one packed chunk."""
    return sha256(packed).hexdigest()


def row_checksum(collection: str, row_id: str, doc: str) -> int:
    """Return the 40-bit checksum of one live row: the first five bytes, big endian."""
    return int.from_bytes(sha256(f"{collection}\n{row_id}\n{doc}".encode()).digest()[:5], "big")
