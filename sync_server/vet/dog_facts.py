"""What is known of a dog, in plain sentences with dates: read through the services that own it.

Figures and fixed words only: no text of a result goes on, so that nothing which a phone has sent
as a result can speak to the model.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from edge_sdk.gait.scores import METRICS
from sync_server.ai.vet.contract import DogFacts, Language, UserContext
from sync_server.dogs import service as dogs
from sync_server.face import service as face
from sync_server.healthcare import service as healthcare
from sync_server.platform.database import Tx
from sync_server.walks import service as walks

WALK_DAYS: Final = 14
ZONE: Final = ZoneInfo("Asia/Seoul")
_DAY_MS: Final = 86_400_000
_SEX: Final = {"male": ("수컷", "male"), "female": ("암컷", "female")}
_RISK: Final = {"low": ("낮음", "low"), "medium": ("중간", "medium"), "high": ("높음", "high")}
_EMOTION: Final = {
    "happy": ("기쁨", "happy"),
    "relaxed": ("편안함", "relaxed"),
    "sad": ("슬픔", "sad"),
    "angry": ("화남", "angry"),
}
_METRIC: Final = {
    "patella_risk_signal": ("슬개골 위험 신호", "patella risk signal"),
    "gait_balance": ("보행 균형", "balance"),
    "knee_mobility": ("무릎 가동성", "knee mobility"),
    "gait_stability": ("보행 안정성", "stability"),
    "gait_rhythm": ("보행 리듬", "rhythm"),
}


async def dog_facts(tx: Tx, user_no: int, dog_id: str, language: Language, now_ms: int) -> DogFacts:
    """Return the facts of a user's dog; Problem not_found for any other id."""
    dog = await dogs.dog_of(tx, user_no, dog_id)
    en = language == "en"
    facts = DogFacts(
        name=dog.name[:256],
        breed=dogs.breed_name(dog.breed_code, language),
        age_years=None if dog.born_on is None else age_years(dog.born_on, now_ms),
        weight_kg=dog.weight_kg,
        sex=_SEX.get(dog.sex or "", ("", ""))[en],
        neutered=dog.neutered,
        walks=await _walks(tx, user_no, dog_id, en, now_ms),
        gait=await _gait(tx, user_no, dog_id, en),
        emotion=await _emotion(tx, user_no, dog_id, en),
    )
    digest = hashlib.sha256(msgspec.json.encode(facts)).hexdigest()
    return msgspec.structs.replace(facts, version=digest[:16])


def gaps_of(context: UserContext, facts: DogFacts | None) -> UserContext:
    """Return what the client says and we do not know: our records count before its words."""
    if facts is None:
        return context
    return UserContext(
        context.dog_age_years if facts.age_years is None else None,
        context.dog_weight_kg if facts.weight_kg is None else None,
        context.breed if not facts.breed else None,
    )


def age_years(born_on: str, now_ms: int) -> float:
    """Return the age at a time, in years to a tenth."""
    today = datetime.fromtimestamp(now_ms / 1000, ZONE).date()
    return max(0.0, round((today - date.fromisoformat(born_on)).days / 365.25, 1))


def day(at_ms: int) -> str:
    """Return the day of a time in Korea (ISO)."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZONE).date().isoformat()


async def _walks(tx: Tx, user_no: int, dog_id: str, en: bool, now_ms: int) -> str:
    seen = await walks.recent_walks(tx, user_no, dog_id, now_ms - WALK_DAYS * _DAY_MS)
    if seen is None:
        return ""
    minutes = round(seen.duration_ms / seen.walks / 60_000)
    km, last = seen.distance_m / 1000, day(seen.last_at_ms)
    if en:
        many = "1 walk" if seen.walks == 1 else f"{seen.walks} walks"
        return (
            f"In the last {WALK_DAYS} days until {day(now_ms)}: {many}, {km:.1f} km in all, "
            f"{minutes} minutes on average; the last one on {last}."
        )
    return (
        f"{day(now_ms)}까지 최근 {WALK_DAYS}일 동안 산책 {seen.walks}회, 모두 {km:.1f}km, "
        f"평균 {minutes}분이었고 마지막 산책은 {last}이었습니다."
    )


async def _gait(tx: Tx, user_no: int, dog_id: str, en: bool) -> str:
    language = "en" if en else "ko"
    last = await healthcare.last_session(tx, user_no, dog_id, language)
    if last is None:
        return ""
    on = day(last.captured_at_ms)
    level = _RISK.get(last.overall_risk_level or "", ("알 수 없음", "unknown"))[en]
    scores = ", ".join(
        f"{_METRIC[name][en]} {round(score)}"
        for name in METRICS
        if (score := last.scores.get(name)) is not None and -1e6 < score < 1e6
    )
    alerts = (await healthcare.trend(tx, user_no, dog_id, language)).alerts
    if en:
        told = f"The gait analysis of {on}: risk level {level}"
        told += f" (scores of 100: {scores})." if scores else "."
        return told + (" The gait has changed against its own earlier ones." if alerts else "")
    told = f"{on} 보행 분석: 위험 수준 {level}"
    told += f" (100점 만점 점수: {scores})." if scores else "."
    return told + (" 이전의 자기 보행과 달라졌습니다." if alerts else "")


async def _emotion(tx: Tx, user_no: int, dog_id: str, en: bool) -> str:
    seen = await face.last_emotion(tx, user_no, dog_id)
    if seen is None:
        return ""
    name, share = _EMOTION[seen.emotion][en], round(100 * min(1.0, max(0.0, seen.confidence)))
    if en:
        return f"The face analysis of {day(seen.at_ms)}: {name} ({share} %)."
    return f"{day(seen.at_ms)} 표정 분석: {name} ({share}%)."
