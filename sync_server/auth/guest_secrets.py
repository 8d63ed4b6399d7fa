"""Guests' secrets: argon2id, outside the event loop and outside any transaction.

Parameters: OWASP Password Storage Cheat Sheet, argon2id with 19 MiB, 2 passes, 1 lane. The
secrets are random (256 bits when we make them), so the cost only has to slow a stolen table.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Two at a time: a flood of sign-ins must take neither all memory nor all threads.
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
# Of a random secret that was thrown away; written down because it takes 30 ms to make.
_NOBODYS_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$hIMwkNDJSdPRBrlOX0sh9w$"
    "xnj7aNKXzyS56nZpahE9XWt2xu2164FTLJhM912hqWk"
)


async def hash_secret(secret: str) -> str:
    """Return what is stored of a secret."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, secret)


async def is_secret(secret: str, stored: str | None) -> bool:
    """Say whether a secret is the stored one; takes as long when nothing is stored."""
    loop = asyncio.get_running_loop()
    good = await loop.run_in_executor(_THREADS, _verify, stored or _NOBODYS_HASH, secret)
    return good and stored is not None


def _verify(stored: str, secret: str) -> bool:
    try:
        return _HASHER.verify(stored, secret)
    except (VerificationError, InvalidHashError):
        return False
