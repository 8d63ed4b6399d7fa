"""What the embedded answers say in words of their own, reviewed like the entries."""

from __future__ import annotations

from typing import Final

HEADINGS: Final[dict[str, tuple[str, str]]] = {
    "home_care": ("집에서 해 볼 수 있는 것", "What you can do at home"),
    "see_vet": ("이럴 때는 병원에 가세요", "See a vet when"),
    "emergency": ("바로 응급 병원으로 가야 하는 신호", "Go to an emergency clinic at once when"),
    "avoid": ("하지 마세요", "Please avoid"),
}
WORST: Final = ("이런 모습이면 한시도 미루지 마세요", "Lose no time when")
SMALL_TALK: Final[dict[str, tuple[str, str]]] = {
    "greeting": (
        "안녕하세요! 반려견의 건강과 돌봄에 대해 무엇이든 물어보세요. "
        "어떤 증상이 언제부터 있었는지, 아이의 나이와 체중을 함께 알려 주시면 "
        "더 잘 안내해 드릴 수 있어요.",
        "Hello! Ask me anything about your dog's health and care. If you tell me what you see, "
        "since when, and your dog's age and weight, I can guide you better.",
    ),
    "thanks": (
        "도움이 되었다니 다행이에요. "
        "아이 상태가 달라지거나 더 궁금한 점이 생기면 언제든 물어보세요.",
        "I am glad to help. If anything changes or you have more questions, just ask.",
    ),
}
NOT_FOUND: Final = (
    "말씀하신 내용에 딱 맞는 검토된 자료를 찾지 못했어요. 짐작으로 말씀드리지 않을게요.\n\n"
    "어떤 모습이 언제부터, 얼마나 자주 보이는지, 먹고 마시는 것과 대소변은 평소 같은지 "
    "알려 주시면 다시 찾아볼게요. "
    "아이가 축 늘어지거나 먹지 않거나 증상이 하루 넘게 이어지면 동물병원에 문의해 주세요.",
    "I found no reviewed article that fits your question, and I would rather not guess.\n\n"
    "Tell me what you see, since when and how often, and whether eating, drinking and toilet are "
    "as usual, and I will look again. If your dog is limp, will not eat, or it lasts longer than "
    "a day, please call a vet.",
)
ON_THE_WAY: Final = (
    "가는 길에 병원에 먼저 전화해 상황을 알리고, 아이를 조용히 안정시켜 주세요. "
    "언제부터 어떤 모습인지, 무엇을 먹었는지 메모하거나 사진을 찍어 두면 진료가 빨라져요. "
    "사람 약이나 음식은 주지 마세요.",
    "Call the clinic on the way so that they are ready, and keep your dog calm. Note "
    "since when and what it looks like, and what it may have eaten, with a photo. Give no human "
    "medicine and no food.",
)


def own_words() -> list[str]:
    """All of them."""
    pairs = [*HEADINGS.values(), WORST, *SMALL_TALK.values(), NOT_FOUND, ON_THE_WAY]
    return [text for pair in pairs for text in pair]
