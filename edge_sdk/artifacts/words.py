"""Names of scores and measures as an owner reads them, Korean and English."""

from __future__ import annotations

from typing import Final

from edge_sdk.gait.scores import MetricName

Words = tuple[str, str]

SCORES: Final[dict[MetricName, Words]] = {
    "patella_risk_signal": ("슬개골 신호", "Kneecap signal"),
    "gait_balance": ("좌우 균형", "Balance"),
    "knee_mobility": ("무릎 가동성", "Knee mobility"),
    "gait_stability": ("보행 안정성", "Stability"),
    "gait_rhythm": ("보행 리듬", "Rhythm"),
}

MEASURES: Final[dict[str, Words]] = {
    "hind_stance_si": ("뒷다리 디딤 시간 차이 (왼쪽−오른쪽)", "Hind stance time, left less right"),
    "fore_stance_si": ("앞다리 디딤 시간 차이 (왼쪽−오른쪽)", "Fore stance time, left less right"),
    "hind_step_si": ("뒷다리 보폭 차이 (왼쪽−오른쪽)", "Hind step length, left less right"),
    "left_stifle_rom": ("왼쪽 무릎 움직임 범위", "Left stifle range"),
    "right_stifle_rom": ("오른쪽 무릎 움직임 범위", "Right stifle range"),
    "left_hock_rom": ("왼쪽 뒷발목 움직임 범위", "Left hock range"),
    "right_hock_rom": ("오른쪽 뒷발목 움직임 범위", "Right hock range"),
    "pelvic_bob_asymmetry": ("골반 오르내림 차이 (왼쪽−오른쪽)", "Pelvic bob, left less right"),
    "trunk_sway": ("몸통 흔들림", "Trunk sway"),
    "stride_time_cv": ("걸음 시간 변동", "Stride time variation"),
    "cadence": ("분당 걸음 수", "Cadence"),
    "left_skip_rate": ("왼쪽 뒷다리 건너뜀", "Left hind skips"),
    "right_skip_rate": ("오른쪽 뒷다리 건너뜀", "Right hind skips"),
}
"""Those shown in the report, in its order."""

UNITS: Final[dict[str, Words]] = {
    "%": ("%", "%"),
    "deg": ("°", "°"),
    "% trunk": ("% 몸길이", "% trunk"),
    "strides/min": ("걸음/분", "/min"),
}

LIMBS: Final[dict[str, Words]] = {
    "FL": ("왼쪽 앞다리", "Left fore"),
    "FR": ("오른쪽 앞다리", "Right fore"),
    "RL": ("왼쪽 뒷다리", "Left hind"),
    "RR": ("오른쪽 뒷다리", "Right hind"),
}

LEVELS: Final[dict[str | None, Words]] = {
    "low": ("양호", "even"),
    "medium": ("관찰 필요", "worth watching"),
    "high": ("주의 필요", "needs attention"),
    None: ("평가 불가", "not scored"),
}

JOINTS: Final[dict[str, Words]] = {
    "stifle": ("무릎 각도", "Stifle angle"),
    "hock": ("뒷발목 각도", "Hock angle"),
}

TITLE: Final[Words] = ("우리 강아지 보행 리포트", "Gait report")
SCORES_TITLE: Final[Words] = (
    "다섯 가지 점수 (100점이 가장 고른 걸음)",
    "Five scores (100 is sound)",
)
STANCE_TITLE: Final[Words] = ("발 디딤 시간표", "When each paw stood")
ANGLES_TITLE: Final[Words] = ("한 걸음 동안의 관절 각도", "Joint angles over a stride")
MEASURES_TITLE: Final[Words] = ("측정값", "Measures")
COLUMNS: Final[tuple[Words, ...]] = (
    ("항목", "measure"),
    ("값", "value"),
    ("95% 구간", "95 % interval"),
    ("최소 변화", "least change"),
    ("걸음 수", "strides"),
)
LEFT: Final[Words] = ("왼쪽", "left")
RIGHT: Final[Words] = ("오른쪽", "right")
SECONDS: Final[Words] = ("초", "s")
STRIDE: Final[Words] = ("한 걸음 (%)", "stride (%)")

GAITS: Final[dict[str | None, Words]] = {
    "walk": ("평보", "walk"),
    "trot": ("속보", "trot"),
    "pace": ("측대보", "pace"),
}
FOOTER: Final[Words] = (
    "이 리포트는 의료 진단이 아니라 걸음을 살펴보기 위한 참고 자료입니다. "
    "막대의 가는 선은 95% 구간입니다. 최소 변화보다 작은 차이는 측정 오차일 수 있습니다.",
    "This report is no medical diagnosis; it helps to watch how your dog walks. Thin lines on the "
    "bars are 95 % intervals; a change below the least change may be measuring error.",
)
