"""Reading server-sent events as a client does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """One event; comments are none."""

    id: str
    name: str
    data: Any

    @property
    def text(self) -> str:
        """The text of a token or replacement."""
        text: str = self.data["text"]
        return text


def event_of(block: str) -> Event | None:
    """Read one block of lines; None for a comment."""
    fields: dict[str, str] = {}
    for line in block.splitlines():
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
    if "event" not in fields:
        return None
    return Event(fields["id"], fields["event"], json.loads(fields["data"]))


def events_of(text: str) -> list[Event]:
    """Read a whole stream."""
    blocks = text.replace("\r\n", "\n").split("\n\n")
    return [event for event in map(event_of, blocks) if event is not None]


async def events_from(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """Read events as they come."""
    block: list[str] = []
    async for line in lines:
        if line:
            block.append(line)
            continue
        event = event_of("\n".join(block))
        block = []
        if event is not None:
            yield event


def shown(events: list[Event], before: str = "") -> str:
    """What a client shows after these events."""
    text = before
    for event in events:
        if event.name == "token":
            text += event.text
        elif event.name == "replace":
            text = event.text
    return text
