"""Why a walk, or one measure of it, is not judged: stable codes with the owner's words."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from edge_sdk.errors import AnalysisError, DogNotTracked, InsufficientFrames


class Reason(StrEnum):
    """A stable code for what is missing."""

    TOO_FEW_FRAMES_A_SECOND = "too_few_frames_a_second"
    TOO_FEW_STRIDES = "too_few_strides"
    TRUNK_NOT_SEEN = "trunk_not_seen"
    LOST_TOO_LONG = "lost_too_long"
    PAWS_NOT_SEEN = "paws_not_seen"
    LOW_CONFIDENCE = "low_confidence"
    DOG_CHANGED = "dog_changed"
    NOT_SIDE_VIEW = "not_side_view"
    NOT_WALKING = "not_walking"
    NO_STEADY_RHYTHM = "no_steady_rhythm"
    NOT_A_WALK_OR_TROT = "not_a_walk_or_trot"
    LEGS_SWAPPED = "legs_swapped"
    LEGS_COLLAPSED = "legs_collapsed"
    LIMB_CARRIED = "limb_carried"
    JOINT_NOT_SEEN = "joint_not_seen"
    TOO_UNCERTAIN = "too_uncertain"


_TOO_LITTLE: Final = frozenset(
    {
        Reason.TOO_FEW_FRAMES_A_SECOND,
        Reason.TOO_FEW_STRIDES,
        Reason.NOT_WALKING,
        Reason.NO_STEADY_RHYTHM,
        Reason.NOT_A_WALK_OR_TROT,
    }
)

TEXT_KO: Final[dict[Reason, str]] = {
    Reason.TOO_FEW_FRAMES_A_SECOND: "초당 프레임 수가 너무 적습니다. 초당 12장 이상으로 "
    "촬영해 주세요.",
    Reason.TOO_FEW_STRIDES: "걸음 수가 부족합니다. 5~10초 동안 곧게 걷는 모습을 촬영해 주세요.",
    Reason.TRUNK_NOT_SEEN: "몸통이 잘 보이지 않습니다. 온몸이 나오게 촬영해 주세요.",
    Reason.LOST_TOO_LONG: "중간에 반려견을 1초 넘게 놓쳤습니다. 계속 보이게 촬영해 주세요.",
    Reason.PAWS_NOT_SEEN: "발이 충분히 보이지 않습니다. 네 발이 모두 나오게 촬영해 주세요.",
    Reason.LOW_CONFIDENCE: "다리 위치를 확실히 알아보지 못했습니다. 밝은 곳에서 촬영해 주세요.",
    Reason.DOG_CHANGED: "한 마리를 끝까지 따라가지 못했습니다. 한 마리만 나오게 촬영해 주세요.",
    Reason.NOT_SIDE_VIEW: "옆모습이 아닙니다. 걷는 방향의 옆에서 촬영해 주세요.",
    Reason.NOT_WALKING: "걷는 모습을 찾지 못했습니다. 걷는 동안 촬영해 주세요.",
    Reason.NO_STEADY_RHYTHM: "일정한 걸음을 찾지 못했습니다. 곧게 걷는 모습을 촬영해 주세요.",
    Reason.NOT_A_WALK_OR_TROT: "평보나 속보가 아닌 걸음입니다. 천천히 걷는 모습을 촬영해 주세요.",
    Reason.LEGS_SWAPPED: "왼쪽과 오른쪽 다리가 자주 뒤바뀌어 비교할 수 없습니다.",
    Reason.LEGS_COLLAPSED: "양쪽 다리가 겹쳐 보여 서로 비교할 수 없습니다.",
    Reason.LIMB_CARRIED: "한쪽 다리를 거의 딛지 않아 디딤 시간을 잴 수 없습니다.",
    Reason.JOINT_NOT_SEEN: "관절이 충분히 보이지 않습니다.",
    Reason.TOO_UNCERTAIN: "측정 오차가 커서 값을 말할 수 없습니다.",
}

TEXT_EN: Final[dict[Reason, str]] = {
    Reason.TOO_FEW_FRAMES_A_SECOND: "Too few frames a second; film with 12 or more.",
    Reason.TOO_FEW_STRIDES: "Too few strides; film 5 to 10 seconds of straight walking.",
    Reason.TRUNK_NOT_SEEN: "The trunk is not visible enough; keep the whole dog in the picture.",
    Reason.LOST_TOO_LONG: "The dog was lost for more than a second; keep it in the picture.",
    Reason.PAWS_NOT_SEEN: "Not all four paws are visible enough.",
    Reason.LOW_CONFIDENCE: "The legs were not recognised surely; film in better light.",
    Reason.DOG_CHANGED: "It was not one dog throughout; film one dog alone.",
    Reason.NOT_SIDE_VIEW: "Not a side view; film from beside the walking direction.",
    Reason.NOT_WALKING: "No walking was found; film while the dog walks.",
    Reason.NO_STEADY_RHYTHM: "No steady strides were found; film straight walking.",
    Reason.NOT_A_WALK_OR_TROT: "Neither a walk nor a trot; film slower walking.",
    Reason.LEGS_SWAPPED: "Left and right legs were often swapped; they cannot be compared.",
    Reason.LEGS_COLLAPSED: "Both legs of a pair were seen as one; they cannot be compared.",
    Reason.LIMB_CARRIED: "One leg was hardly put down; its stance cannot be timed.",
    Reason.JOINT_NOT_SEEN: "The joint is not visible enough.",
    Reason.TOO_UNCERTAIN: "The error of measurement is too large to give a value.",
}


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why the whole clip is not scored: the product's `code`, the cause, and words."""

    code: str
    reason: Reason
    message_ko: str
    message_en: str

    @classmethod
    def of(cls, reason: Reason) -> Refusal:
        """Put a cause into words under the product's code for it."""
        kind = InsufficientFrames if reason in _TOO_LITTLE else DogNotTracked
        return cls(
            code=kind.code,
            reason=reason,
            message_ko=TEXT_KO[reason],
            message_en=TEXT_EN[reason],
        )

    def error(self) -> AnalysisError:
        """Return the refusal as the SDK's typed error."""
        kind = InsufficientFrames if self.code == InsufficientFrames.code else DogNotTracked
        return kind(self.message_en, reason=str(self.reason))
