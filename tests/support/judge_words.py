"""What a good judge answers to our prompt, and what a good narrator answers."""

from __future__ import annotations

import re
from typing import Any

HOLDS_S = {"SIT": 2.4, "DOWN": 1.8, "PAW": 0.9, "TURN": None, "JUMP": None}


def reply(mission: str, verdict: str = "SUCCESS", **changed: Any) -> dict[str, Any]:
    """A sound judge's JSON."""
    return {
        "mission": mission,
        "verdict": verdict,
        "hold_duration_sec": HOLDS_S[mission],
        "evidence": [
            {
                "time_sec": 0.8,
                "description": {"ko": "동작이 시작됨", "en": "The action begins here"},
            }
        ],
        "confidence": 0.92,
        "summary": {
            "ko": "지시에 맞춰 안정적으로 해냈습니다.",
            "en": "Your dog did what it was asked to.",
        },
        **changed,
    }


def mission_of(prompt: str) -> str:
    """The mission that a judge's prompt asks for."""
    found = re.search(r"- Mission Type: (\w+)", prompt)
    assert found is not None, prompt
    return found[1]
