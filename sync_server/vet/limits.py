"""How much a user may ask: a person with a worried question is never near it, a program is."""

from __future__ import annotations

from typing import Final

from sync_server.platform.rate_limit import Limit

TURNS_A_DAY: Final = 200
USER: Final = Limit("vet", 20, 0.2)
"""A burst of questions, then one every 5 seconds."""
DOG: Final = Limit("vet-dog", 15, 0.1)
"""Of several devices about one dog."""
DAY: Final = Limit("vet-day", TURNS_A_DAY, TURNS_A_DAY / 86_400)
"""Refills over the day, so that nobody waits for midnight."""
MAX_BODY_BYTES: Final = 256 * 1024
"""A question of 2,000 characters and 40 turns of history."""
MAX_REPORT_BYTES: Final = 4 * 1024
KEPT_MS: Final = 365 * 24 * 3_600_000
"""A conversation that was not used for a year is erased."""
