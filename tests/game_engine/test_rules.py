"""Rules: one version names every constant, and the package stays light to import."""

import subprocess
import sys

import msgspec
import pytest

import game_engine
from game_engine.errors import GameError, UnknownRulesVersion
from game_engine.rules import CURRENT_RULES, RULES, Rules, TrustRules, rules_for


def test_the_current_version_is_known_and_names_itself() -> None:
    assert rules_for(CURRENT_RULES).version == CURRENT_RULES
    assert all(rules.version == version for version, rules in RULES.items())


def test_an_unknown_version_is_a_typed_error_that_says_what_is_known() -> None:
    with pytest.raises(UnknownRulesVersion, match=r"2026\.1") as caught:
        rules_for("1999.9")
    assert isinstance(caught.value, GameError)
    assert caught.value.code == "unknown_rules_version"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cell_resolution", 11),
        ("accuracy_max_m", 50),
        ("vehicle_speed_mps", 4.2),
        ("vehicle_window_ms", 10_000),
        ("jump_speed_mps", 7.0),
        ("gap_max_ms", 60_000),
        ("trust_board_min", 40),
        ("trail_min_fixes", 2),
        ("trail_min_ms", 5_000),
        ("loop_close_m", 50.0),
        ("loop_min_along_m", 200.0),
        ("loop_min_cells", 4),
        ("loop_max_area_m2", 1_000_000.0),
        ("loop_min_compactness", 0.1),
        ("strength_max", 5),
        ("protection_ms", 15 * 60_000),
        ("decay_step_ms", 14 * 86_400_000),
        ("late_max_ms", 72 * 3_600_000),
        ("season_weeks", 4),
        ("cohort_size", 30),
        ("around_rows", 5),
        ("zone_name", "Asia/Seoul"),
    ],
)
def test_version_2026_1_has_the_numbers_of_the_game_design(name: str, value: object) -> None:
    assert getattr(rules_for("2026.1"), name) == value


def test_rules_are_values_that_survive_json() -> None:
    rules = rules_for(CURRENT_RULES)
    assert msgspec.json.decode(msgspec.json.encode(rules), type=Rules) == rules
    with pytest.raises(AttributeError):
        rules.strength_max = 6  # type: ignore[misc]


def test_no_single_weak_signal_takes_a_walk_off_the_board() -> None:
    trust = TrustRules()
    weak = (
        trust.mock_few_penalty,
        trust.drift_small_penalty,
        trust.start_fast_penalty,
        trust.stride_long_penalty,
        trust.accuracy_penalty,
        trust.constant_speed_penalty,
        trust.straight_penalty,
    )
    assert 100 - max(weak) >= rules_for(CURRENT_RULES).trust_board_min


def test_importing_the_package_loads_neither_numpy_nor_h3() -> None:
    code = "import sys, game_engine; print(sorted({'numpy', 'h3', 'shapely'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_exported_name_exists() -> None:
    for name in game_engine.__all__:
        assert getattr(game_engine, name) is not None
    with pytest.raises(AttributeError):
        game_engine.no_such_name  # noqa: B018
