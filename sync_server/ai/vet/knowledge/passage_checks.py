"""Which passages of strangers' documents may never be cited: doses, prescriptions, hidden orders.

A consultation of one dog says what that dog was given. Shown to another owner it is advice to give
it. Such passages are kept out of the index whatever a reviewer decides on the document, and so is
text that speaks to a model instead of a reader.
"""

from __future__ import annotations

import re
from typing import Final


def _any(*ways: str) -> str:
    return f"(?:{'|'.join(ways)})"


_NEAR: Final = r"[^.!?\n]{0,24}"
_UNIT: Final = _any("mg", "mcg", "µg", "μg", "ug", "㎎", "㎍", "iu", "밀리그램", "마이크로그램")
_PER_WEIGHT: Final = _any(
    rf"\d[\d.,]*\s*{_any('ml', 'cc', '㏄', '㎖', 'g', '%')}\s*/\s*{_any('kg', '㎏')}",
    r"킬로(?:그램)?\s*당\s*\d",
    rf"{_any('kg', '㎏')}\s*당\s*\d",
)
_PIECES: Final = (
    _any(r"\d+", "반", "한", "두", "세", "half an?", "one", "two")
    + r"\s*"
    + _any(
        "정",
        "알",
        "캡슐",
        "포",
        "방울",
        "앰플",
        "ml",
        "cc",
        "㏄",
        "tablets?",
        "pills?",
        "capsules?",
        "drops?",
    )
)
_GIVE: Final = _any(
    "투여", "먹이", "먹여", "급여", "복용", "주사", "점안", "give", "administer", "inject", "take"
)
_OFTEN: Final = _any("daily", "twice", "times a day", "every", "하루", "매일")
_DRUG: Final = _any(
    "항생제", r"항생\s*연고", "스테로이드", "소염제", "진통제", "이뇨제", "항히스타민", "지사제",
    r"구토\s*억제제", "항구토제", "진정제", "인슐린", "신경안정제", "프레드니솔?론", "아목시실린",
    "세팔렉신", "독시사이클린", "메트로니다졸", "멜록시캄", "카프로펜", "가바펜틴", "이버멕틴",
    "타이레놀", "이부프로펜", "아세트아미노펜", "세레니아", "아포퀠",
    "antibiotics?", "steroids?", "nsaids?", "painkillers?", "diuretics?", "antihistamines?",
    "sedatives?", "insulin", r"prednis\w+", "amoxicillin", "cephalexin", "doxycycline",
    "metronidazole", "meloxicam", "carprofen", "gabapentin", "ivermectin", "tylenol", "ibuprofen",
    "acetaminophen", "paracetamol", "maropitant", "oclacitinib", "furosemide", "tramadol",
)  # fmt: skip
_DOSE: Final = re.compile(
    _any(
        rf"\d[\d.,]*\s*{_UNIT}(?![a-z])",
        _PER_WEIGHT,
        rf"(?:\d+|half an?|a half|반|one|two|an?)\s+{_DRUG}",
        rf"{_PIECES}{_NEAR}{_any(_GIVE, _OFTEN)}",
        rf"{_any(_GIVE, _OFTEN)}{_NEAR}{_PIECES}",
    ),
    re.IGNORECASE,
)
_GIVEN: Final = _any(
    "투여", "처방(?:하|해|받은|합)", "먹이(?:세|시|면)", "먹여", "복용(?:시|하|해)",
    "급여(?:하|해)", "주사(?:하|해|를)", "바르(?:세|시)", "발라",
    r"give\b", "administer", "apply", "inject", "prescrib", r"take\b", "start (?:him|her|it|on)",
)  # fmt: skip
_PRESCRIPTION: Final = re.compile(
    rf"{_DRUG}[^.!?\n]{{0,40}}{_GIVEN}|{_GIVEN}[^.!?\n]{{0,40}}{_DRUG}", re.IGNORECASE
)
_INJECTION: Final = re.compile(
    _any(
        r"(?:ignore|disregard|forget|override)[^.!?\n]{0,30}(?:previous|prior|above|earlier|all|your)"
        r"[^.!?\n]{0,20}(?:instruction|rule|prompt|message|direction)",
        r"(?:이전|위의?|앞의|지금까지의?|모든)\s*(?:지시|명령|규칙|프롬프트|내용)[^.!?\n]{0,20}"
        r"(?:무시|잊|따르지)",
        r"(?:시스템|system)\s*(?:프롬프트|prompt|message|메시지)",
        r"you are now\b", "from now on,? you", "act as (?:an?|the) ",
        "당신은 이제", "너는 이제", "지금부터 (?:너|당신)",
        r"<\|[a-z_]+\|>", r"\[/?inst\]", "<</?sys>>", "<(?:system|assistant|instructions?)>",
        r"^\s*(?:system|assistant|developer|시스템)\s*:",
        r"(?:\bai\b|assistant|챗봇|언어 ?모델|language model)[^.!?\n]{0,30}"
        r"(?:must|should|답해야|대답해|말해야|출력)",
        r"do not (?:tell|mention|reveal)[^.!?\n]{0,30}(?:user|owner|anyone)",
    ),
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_HIDDEN: Final = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\U000e0000-\U000e007f]")


def refusal_of(text: str) -> str:
    """Why a passage may never be cited: "injection", "dose", "prescription"; or empty."""
    if _HIDDEN.search(text) or _INJECTION.search(text):
        return "injection"
    if _DOSE.search(text):
        return "dose"
    return "prescription" if _PRESCRIPTION.search(text) else ""
