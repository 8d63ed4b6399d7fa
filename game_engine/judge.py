"""The judgement of one walk: the same call on the phone (prediction) and on the server (truth)."""

from dataclasses import dataclass
from typing import Final

from game_engine.capture import Captures, capture
from game_engine.rules import Rules
from game_engine.track import Drop, Fixes, clean
from game_engine.trust import Trust, TrustContext, assess

REASON_NO_FIXES: Final = "no_fixes"
REASON_LOW_TRUST: Final = "low_trust"


@dataclass(frozen=True, eq=False, slots=True)
class Verdict:
    """What a walk is worth under `rules_version`.

    `duration_ms` runs from the first usable fix to the last, pauses and gaps included.
    `captures` is empty unless `counts_for_board`. `reasons` are stable codes in words of the
    protocol: `no_fixes` (no two usable fixes belong together), `low_trust` followed by the codes
    of the signals that cost trust, and the codes of `Captures.reasons`.
    """

    rules_version: str
    distance_m: float
    moving_ms: int
    duration_ms: int
    mean_speed_mps: float
    max_speed_mps: float
    drops: tuple[Drop, ...]
    trust: Trust
    counts_for_board: bool
    captures: Captures
    reasons: tuple[str, ...]


def judge(fixes: Fixes, context: TrustContext, rules: Rules) -> Verdict:
    """Clean, assess and capture one walk.

    The order of the fixes does not matter. A walk below `trust_board_min` keeps its distance and
    times for the diary and captures nothing. Raises nothing for any `Fixes`.
    """
    track = clean(fixes, rules)
    trust = assess(track, context, rules)
    trusted = trust.score >= rules.trust_board_min
    usable = bool(track.fix_kept.any())
    captures = capture(track, rules) if trusted and usable else Captures.none()
    reasons: list[str] = []
    if not usable:
        reasons.append(REASON_NO_FIXES)
    if not trusted:
        reasons.append(REASON_LOW_TRUST)
        reasons += [signal.code for signal in trust.signals if signal.penalty > 0]
    reasons += captures.reasons
    t_ms = track.fixes.t_ms
    return Verdict(
        rules_version=rules.version,
        distance_m=track.distance_m,
        moving_ms=track.moving_ms,
        duration_ms=int(t_ms[-1] - t_ms[0]) if len(t_ms) else 0,
        mean_speed_mps=track.mean_speed_mps,
        max_speed_mps=track.max_speed_mps,
        drops=track.drops,
        trust=trust,
        counts_for_board=trusted and usable,
        captures=captures,
        reasons=tuple(reasons),
    )
