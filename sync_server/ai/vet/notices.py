"""What the pipeline itself says: what was limited, and the product's words for refusals."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from sync_server.ai.vet.contract import Code, Language

NoticeCode: TypeAlias = Literal[
    "model_unavailable", "model_blocked", "answer_broken", "budget_spent", "broke_off", "cut",
    "no_knowledge", "cannot_see", "picture_failed",
]  # fmt: skip

_EMBEDDED_KO: Final = "검토된 자료로 답변드렸어요."
_EMBEDDED_EN: Final = "so this answer comes from our reviewed articles."
_NOTICES: Final[dict[NoticeCode, tuple[str, str]]] = {
    "model_unavailable": (
        f"지금은 AI 모델에 연결할 수 없어 {_EMBEDDED_KO}",
        f"The AI model cannot be reached right now, {_EMBEDDED_EN}",
    ),
    "model_blocked": (
        f"AI 모델이 이 내용에는 답하지 않아 {_EMBEDDED_KO}",
        f"The AI model does not answer this, {_EMBEDDED_EN}",
    ),
    "answer_broken": (
        f"AI 모델의 답을 쓸 수 없어 {_EMBEDDED_KO}",
        f"The AI model's answer could not be used, {_EMBEDDED_EN}",
    ),
    "budget_spent": (
        f"오늘 쓸 수 있는 AI 답변을 모두 써서 {_EMBEDDED_KO}",
        f"Today's AI answers are used up, {_EMBEDDED_EN}",
    ),
    "broke_off": (
        "답변이 도중에 끊겨 여기까지만 안내드려요.",
        "The answer broke off, so this is only as far as it came.",
    ),
    "cut": (
        "답변이 길어 여기까지만 안내드려요.",
        "The answer grew long, so it stops here.",
    ),
    "no_knowledge": (
        "지금은 참고 자료를 찾아볼 수 없어 근거 없이 일반적인 내용만 안내드려요.",
        "Our articles cannot be searched right now, so this is general advice without sources.",
    ),
    "cannot_see": (
        "사진은 보지 못하고 글로만 답변드려요.",
        "This answer is from your words only; the picture could not be looked at.",
    ),
    "picture_failed": (
        "사진을 불러오지 못해 글로만 답변드려요.",
        "The picture could not be loaded, so this answer is from your words only.",
    ),
}

_CLOSINGS: Final[dict[Language, str]] = {
    "ko": "답변이 여기서 끊겼어요. 아이 상태가 걱정되면 기다리지 말고 동물병원에 문의해 주세요.",
    "en": "My answer broke off here. If you are worried about your dog, please call a vet "
    "rather than wait.",
}

_MESSAGES: Final[dict[Code, tuple[str, str]]] = {
    "INVALID_INPUT": ("질문 내용이 비어 있습니다.", "The question is empty."),
    "IMAGE_FETCH_FAILED": (
        "이미지를 불러오지 못했습니다. 다시 업로드해 주세요.",
        "The picture could not be loaded. Please upload it again.",
    ),
    "LLM_TIMEOUT": (
        "답변 생성 시간이 초과되었습니다. 잠시 후 다시 시도해 주세요.",
        "The answer took too long. Please try again in a moment.",
    ),
    "RATE_LIMITED": (
        "요청이 많아 잠시 후 다시 시도해 주세요.",
        "There are many requests. Please try again in a moment.",
    ),
    "INTERNAL_ERROR": (
        "답변을 만들지 못했습니다. 잠시 후 다시 시도해 주세요.",
        "The answer could not be made. Please try again in a moment.",
    ),
}


def notice(code: NoticeCode, language: Language) -> str:
    """One sentence on what was limited."""
    korean, english = _NOTICES[code]
    return korean if language == "ko" else english


def closing(language: Language) -> str:
    """The sentence that ends an answer which broke off."""
    return _CLOSINGS[language]


def message_of(code: Code, language: Language) -> str:
    """What the user reads of a refusal that brings no words of its own."""
    korean, english = _MESSAGES[code]
    return korean if language == "ko" else english


def too_long(limit: int, language: Language) -> str:
    """What is said of a question past the limit."""
    if language == "ko":
        return f"질문이 너무 깁니다. {limit:,}자 이내로 줄여 주세요."
    return f"The question is too long. Please keep it to {limit:,} characters."
