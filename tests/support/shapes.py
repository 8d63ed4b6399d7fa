"""Comparing an answer with an example of the product's specification."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def has_shape(answer: Any, example: Any, more: Collection[str] = (), where: str = "$") -> None:
    """Assert that an answer has every field of an example, of its type, and no other but `more`.

    A list's elements all have the shape of the example's first one; a number is a number. `more`
    holds paths like `$.error` or `$.result.missions[].error`.
    """
    if isinstance(example, dict):
        assert isinstance(answer, dict), f"{where}: {answer!r}"
        assert set(example) <= set(answer), f"{where}: lacks {set(example) - set(answer)}"
        extra = {f"{where}.{name}" for name in set(answer) - set(example)} - set(more)
        assert not extra, f"not in the example: {extra}"
        for name, value in example.items():
            has_shape(answer[name], value, more, f"{where}.{name}")
    elif isinstance(example, list):
        assert isinstance(answer, list), f"{where}: {answer!r}"
        for item in answer:
            has_shape(item, example[0], more, f"{where}[]")
    elif isinstance(example, bool):
        assert isinstance(answer, bool), f"{where}: {answer!r}"
    elif isinstance(example, int | float):
        assert isinstance(answer, int | float) and not isinstance(answer, bool), where
    elif isinstance(example, str):
        assert isinstance(answer, str), f"{where}: {answer!r}"
