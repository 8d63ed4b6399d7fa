"""Small knowledge folders for tests: whole entries with a few words of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def entry(entry_id: str, ko: str, en: str, **changed: Any) -> dict[str, Any]:
    """A sound entry about `ko` / `en`; `changed` takes the place of whole fields."""
    return {
        "id": entry_id,
        "topic": "testing",
        "title": {"ko": ko, "en": en},
        "asked": {"ko": [f"{ko} 때문에 걱정이에요"], "en": [f"worried about {en}"]},
        "summary": {
            "ko": f"{ko}에 대해 알려 드리는 요약 문장이에요. 대개 지켜볼 수 있어요.",
            "en": f"A summary of {en} in a few words. It can mostly be watched.",
        },
        "home_care": {"ko": [f"{ko}에는 물을 조금씩 주세요."], "en": [f"Offer water for {en}."]},
        "see_vet": {"ko": [f"{ko} 이틀이면 진료를 받으세요."], "en": [f"See a vet for {en}."]},
        "emergency": {"ko": [f"{ko}에 쓰러지면 바로 가세요."], "en": [f"{en} and collapse: go."]},
        "avoid": {"ko": [f"{ko}에 굶기지 마세요."], "en": [f"Do not starve for {en}."]},
        "followups": {"ko": [f"{ko}은 언제부터인가요?"], "en": [f"Since when is there {en}?"]},
        "sources": [{"title": "Test manual", "publisher": "daengdong tests", "year": 2026}],
        "review": {
            "state": "reviewed",
            "by": "daengdong tests",
            "veterinarian": False,
            "on": "2026-11-28",
        },
        **changed,
    }


def write_entries(folder: Path, *entries: dict[str, Any]) -> Path:
    """Write entries as an editor does: aside, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in entries:
        aside = folder / "aside"
        aside.write_text(json.dumps(one, ensure_ascii=False), "utf-8")
        os.replace(aside, folder / f"{one['id']}.json")
    return folder


HICCUPS = entry("hiccups", "딸꾹질", "hiccups")
SNORING = entry("snoring", "코골이", "snoring")
SUNBURN = entry("sunburn", "햇볕 화상", "sunburn")
FROSTBITE = entry("frostbite", "발가락 동상", "frostbitten toes")
TRAVEL = entry("sea-travel", "배멀미", "seasickness")
SIX = (
    HICCUPS, SNORING, SUNBURN, FROSTBITE, TRAVEL,
    entry("whiskers", "수염 손질", "whisker trimming"),
)  # fmt: skip
