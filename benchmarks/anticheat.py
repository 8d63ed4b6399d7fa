"""Anti-cheat on a labelled synthetic set: what is caught, and which honest walks are hurt.

Run `python benchmarks/anticheat.py [--n 200] [--json]` in the repository root. The rules were
tuned on seeds below 10,000; this reports seeds from 10,000 on.

Naive: cells of a capture that believes every fix (no limit of speed, accuracy or trust; that
nothing is joined over a minute without a fix is a rule of the game, not a suspicion, and stays).
Truth: cells of the noise-free way, one position a second, captured in the same way.
Caught (a cheat): fewer than 10 % of the naive cells reach the board; trust under 40 means none.
Hurt (an honest walk): trust under 40, or more than 10 % of the cells that are in both truth and
naive do not reach the board. Cells that GPS error itself moved or that were never seen are so
charged to neither side; `kept` is the mean share of those cells that do reach the board.
The duplicate flags come from comparing fingerprints, as the server does; nothing else is given.
"""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_sdk.walk.simulate import (
    BEYOND_KINDS,
    CHEAT_KINDS,
    HONEST_KINDS,
    SimulatedWalk,
    simulate,
)
from game_engine.capture import capture
from game_engine.judge import judge
from game_engine.rules import CURRENT_RULES, Rules, rules_for
from game_engine.track import FLAG_MOCK, Fixes, clean
from game_engine.trust import TrustContext, fingerprint, is_same_track

FIRST_HELD_OUT_SEED = 10_000
CAUGHT_SHARE = 0.10
HURT_SHARE = 0.10
CAUGHT_GOAL_PERCENT = 95.0
HURT_GOAL_PERCENT = 1.0


class Row(msgspec.Struct, frozen=True):
    """One line of the table."""

    kind: str
    honest: bool
    walks: int
    caught_percent: float | None
    hurt_percent: float | None
    kept_percent: float
    goal_met: bool | None
    missed: dict[str, int]


def credulous(rules: Rules) -> Rules:
    """Return rules that believe every fix."""
    return msgspec.structs.replace(
        rules,
        accuracy_max_m=32_767,
        jump_speed_mps=1e9,
        vehicle_speed_mps=1e9,
    )


def naive_cells(fixes: Fixes, rules: Rules) -> set[int]:
    """Cells of a capture that believes every fix, mock ones too."""
    unflagged = replace(fixes, flags=fixes.flags & ~np.uint8(FLAG_MOCK))
    return set(capture(clean(unflagged, credulous(rules)), rules).cells.tolist())


def shares(walk: SimulatedWalk, rules: Rules) -> tuple[float, float, int]:
    """Share of the naive cells, and of the deserved cells, on the board; and the trust score."""
    copied = walk.original is not None and is_same_track(
        fingerprint(walk.fixes), fingerprint(walk.original)
    )
    verdict = judge(walk.fixes, TrustContext(duplicate_of_other=copied), rules)
    board = set(verdict.captures.cells.tolist())
    naive = naive_cells(walk.fixes, rules)
    truth = naive_cells(Fixes.of(walk.truth_t_ms, walk.truth_lat, walk.truth_lng), rules)
    deserved = truth & naive
    return (
        len(board & naive) / max(len(naive), 1),
        len(board & deserved) / max(len(deserved), 1),
        verdict.trust.score,
    )


def measure(kind: str, count: int, first_seed: int, rules: Rules) -> Row:
    """Judge `count` walks of one kind."""
    honest = kind in HONEST_KINDS
    failures: dict[str, int] = defaultdict(int)
    kept = []
    for seed in range(first_seed, first_seed + count):
        walk = simulate(kind, seed)
        of_naive, of_deserved, score = shares(walk, rules)
        kept.append(of_deserved if honest else of_naive)
        hurt = score < rules.trust_board_min or of_deserved < 1.0 - HURT_SHARE
        if hurt if honest else of_naive >= CAUGHT_SHARE:
            failures[walk.variant or kind] += 1
    percent = 100.0 * sum(failures.values()) / count
    if kind in BEYOND_KINDS:
        met = None
    else:
        met = percent < HURT_GOAL_PERCENT if honest else 100.0 - percent >= CAUGHT_GOAL_PERCENT
    return Row(
        kind=kind,
        honest=honest,
        walks=count,
        caught_percent=None if honest else 100.0 - percent,
        hurt_percent=percent if honest else None,
        kept_percent=100.0 * float(np.mean(kept)),
        goal_met=met,
        missed=dict(failures),
    )


def show(rows: list[Row], elapsed_s: float) -> None:
    """Print the table for people."""
    print(f"{'kind':<18}{'walks':>6}{'caught':>9}{'hurt':>8}{'kept':>8}  goal           misses")
    for row in rows:
        caught = "-" if row.caught_percent is None else f"{row.caught_percent:.1f} %"
        hurt = "-" if row.hurt_percent is None else f"{row.hurt_percent:.1f} %"
        goal = f"< {HURT_GOAL_PERCENT:g} % hurt" if row.honest else f">= {CAUGHT_GOAL_PERCENT:g} %"
        verdict = {None: "none (known limit)", True: f"{goal} ok", False: f"{goal} MISSED"}
        misses = ", ".join(f"{name} {count}" for name, count in row.missed.items())
        print(
            f"{row.kind:<18}{row.walks:>6}{caught:>9}{hurt:>8}{row.kept_percent:>7.1f}%"
            f"  {verdict[row.goal_met]:<20} {misses}"
        )
    for name, value, goal in overall(rows):
        print(f"{name:<18}{value:>6.2f} %  goal {goal}")
    print(f"{os.cpu_count()} cores, {elapsed_s:.0f} s CPU")


def overall(rows: list[Row]) -> list[tuple[str, float, str]]:
    """Return the two figures of GAME.md over all kinds that have a goal."""
    with_goal = [row for row in rows if row.goal_met is not None]
    caught = [row.caught_percent for row in with_goal if row.caught_percent is not None]
    hurt = [row.hurt_percent for row in with_goal if row.hurt_percent is not None]
    return [
        ("caught overall", float(np.mean(caught)), f">= {CAUGHT_GOAL_PERCENT:g} %"),
        ("hurt overall", float(np.mean(hurt)), f"< {HURT_GOAL_PERCENT:g} %"),
    ]


def main() -> int:
    """Run the benchmark; exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=200, help="walks of each kind")
    parser.add_argument("--first-seed", type=int, default=FIRST_HELD_OUT_SEED)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rules = rules_for(CURRENT_RULES)
    started_s = time.process_time()
    kinds = (*HONEST_KINDS, *CHEAT_KINDS, *BEYOND_KINDS)
    rows = [measure(kind, arguments.n, arguments.first_seed, rules) for kind in kinds]
    elapsed_s = time.process_time() - started_s
    if arguments.json:
        report = {
            "rules_version": rules.version,
            "first_seed": arguments.first_seed,
            "cores": os.cpu_count(),
            "cpu_s": elapsed_s,
            "overall": {name: value for name, value, _ in overall(rows)},
            "kinds": msgspec.to_builtins(rows),
        }
        print(json.dumps(report, indent=2))
    else:
        show(rows, elapsed_s)
    return 0 if all(row.goal_met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
