"""Every constant of the game, under one version name.

An event stores the version it was judged by, so a walk judged years ago can be judged again with
exactly the numbers of its day. A change of any number is a new entry of `RULES`, never an edit.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from game_engine.errors import UnknownRulesVersion


class TrustRules(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and penalties (points of 100) of the trust score; see docs/decisions/0002."""

    # Share of the fixes made by a mock provider from which the walk is a forgery.
    mock_share: float = 0.05
    mock_penalty: int = 80
    mock_few_penalty: int = 20
    # Wall clock against monotonic clock: network time corrects seconds, not minutes.
    drift_small_ms: int = 10_000
    drift_small_penalty: int = 25
    drift_large_ms: int = 120_000
    drift_large_penalty: int = 65
    duplicate_penalty: int = 80
    # From the end of the last walk: faster than a train, faster than an airliner.
    start_far_min_m: float = 5_000.0
    start_fast_mps: float = 100.0
    start_fast_penalty: int = 30
    start_impossible_mps: float = 300.0
    start_impossible_penalty: int = 65
    # Steps, when the phone counts them: metres a step; a stroller hides some, not nearly all.
    steps_min_m: float = 200.0
    stride_long_m: float = 2.5
    stride_long_penalty: int = 25
    stride_impossible_m: float = 6.0
    stride_impossible_penalty: int = 65
    # Share of the time in motion that was ridden: the rest is traffic, not a walk.
    ridden_share: float = 0.75
    ridden_penalty: int = 65
    # One accuracy throughout; a phone that rounds may do it too, so this alone decides nothing.
    accuracy_min_fixes: int = 120
    accuracy_spread_m: float = 0.3
    accuracy_penalty: int = 20
    # Motion smoother than a body and a receiver can be; either alone decides nothing.
    motion_average_ms: int = 5_000
    motion_half_window_ms: int = 10_000
    motion_min_windows: int = 120
    motion_floor_m: float = 0.4
    constant_speed_white_ratio: float = 1.4
    constant_speed_penalty: int = 35
    straight_white_ratio: float = 1.2
    straight_penalty: int = 35


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The constants of one rules version; units are in the names."""

    version: str
    zone_name: str = "Asia/Seoul"

    # --- cells -----------------------------------------------------------------------------
    cell_resolution: int = 11
    zoom_resolutions: tuple[int, ...] = (9, 8, 7)
    area_resolution: int = 8

    # --- which fixes count -----------------------------------------------------------------
    accuracy_max_m: int = 50
    accuracy_unknown_m: int = 10
    gap_max_ms: int = 60_000

    # --- vehicles --------------------------------------------------------------------------
    jump_speed_mps: float = 7.0
    # Fixes less than a second apart are compared as if a second apart: noise has no speed.
    jump_min_ms: int = 1_000
    # A run of jump segments up to this long is a GPS jump, a longer one is a vehicle.
    jump_run_max_ms: int = 5_000
    # Reflections between buildings reach this far; over such a jump a way goes on.
    jump_bridge_max_m: float = 100.0
    vehicle_speed_mps: float = 4.2
    vehicle_window_ms: int = 10_000
    # The same limit is also looked for over longer windows, where noise matters less.
    vehicle_long_windows_ms: tuple[int, ...] = (30_000, 60_000)
    # Metres by which a window must exceed its limit: two ends of a window are off by GPS error.
    vehicle_noise_m: float = 12.0
    # Kept time between two vehicle pieces that is still the vehicle (traffic light, jam).
    vehicle_stop_max_ms: int = 120_000
    # The same at either end of the track or beside a gap (pulling out, parking).
    vehicle_edge_max_ms: int = 60_000
    # Only a vehicle ride at least this long and far may claim the slow pieces beside it.
    vehicle_ride_min_ms: int = 30_000
    vehicle_ride_min_m: float = 150.0

    # --- distance and pauses ---------------------------------------------------------------
    # Net displacement over the wide window tells walking from GPS drift, over the narrow one
    # it finds where a pause begins and ends.
    moving_wide_window_ms: int = 60_000
    moving_wide_min_m: float = 28.0
    # Walking that has begun is believed down to this: a dog that sniffs its way along.
    moving_weak_min_m: float = 14.0
    moving_narrow_window_ms: int = 30_000
    moving_narrow_min_m: float = 6.0
    # Length is net displacement over a sliding window that spans about `length_span_m`.
    length_span_m: float = 20.0
    length_window_min_ms: int = 10_000
    length_window_max_ms: int = 40_000

    # --- trust -----------------------------------------------------------------------------
    trust_board_min: int = 40
    trust: TrustRules = TrustRules()

    # --- capture ---------------------------------------------------------------------------
    trail_min_fixes: int = 2
    trail_min_ms: int = 5_000
    loop_close_m: float = 50.0
    loop_min_along_m: float = 200.0
    loop_min_cells: int = 4
    loop_max_area_m2: float = 1_000_000.0
    loop_min_compactness: float = 0.1

    # --- ownership -------------------------------------------------------------------------
    strength_max: int = 5
    strength_first: int = 1
    protection_ms: int = 15 * 60_000
    decay_step_ms: int = 14 * 86_400_000
    late_max_ms: int = 72 * 3_600_000

    # --- boards ----------------------------------------------------------------------------
    season_weeks: int = 4
    season_anchor_date: str = "2026-01-05"
    cohort_size: int = 30
    around_rows: int = 5

    # --- teams and battles -----------------------------------------------------------------
    team_min_members: int = 2
    team_max_members: int = 50
    battle_min_teams: int = 2
    battle_max_teams: int = 8
    battle_capture_weight: float = 0.2
    battle_assist_ms: int = 15 * 60_000

    # --- missions --------------------------------------------------------------------------
    missions_max: int = 3
    mission_types: tuple[str, ...] = ("SIT", "DOWN", "PAW", "TURN", "JUMP")
    mission_aliases: tuple[tuple[str, str], ...] = (("SPIN", "TURN"),)
    mission_offer_windows_ms: tuple[tuple[int, int], ...] = (
        (3 * 60_000, 7 * 60_000),
        (10 * 60_000, 20 * 60_000),
        (25 * 60_000, 40 * 60_000),
    )
    # A phone that asks later than this after the moment has missed the mission.
    mission_missed_ms: int = 10 * 60_000
    mission_deadline_ms: int = 3 * 60_000
    # Phones go offline: how long after the deadline a submission is still taken.
    mission_late_ms: int = 24 * 3_600_000
    mission_judgements_max: int = 3
    mission_points: int = 100

    # --- recording -------------------------------------------------------------------------
    auto_end_still_ms: int = 30 * 60_000

    # --- privacy ---------------------------------------------------------------------------
    private_resolution: int = 8
    public_delay_ms: int = 30 * 60_000
    public_min_people: int = 3


CURRENT_RULES: Final = "2026.1"

RULES: Final[Mapping[str, Rules]] = MappingProxyType(
    {CURRENT_RULES: Rules(version=CURRENT_RULES)},
)


def rules_for(version: str) -> Rules:
    """Return the rules named `version`; raise `UnknownRulesVersion` for any other name."""
    try:
        return RULES[version]
    except KeyError:
        raise UnknownRulesVersion(version, tuple(RULES)) from None
