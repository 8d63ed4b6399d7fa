"""Judge a GPX track by the rules of the game, without a server and without a database.

    python examples/judge_a_track.py [TRACK.gpx]

Only the reading of the file is `edge_sdk`; cleaning, trust and capture are `game_engine`, the same
calls that a phone makes to predict and the server makes to decide.
"""

import sys
from pathlib import Path

from edge_sdk.errors import GpxError
from edge_sdk.walk.gpx import read_gpx
from game_engine.capture import capture
from game_engine.cells import area_m2, to_hex
from game_engine.judge import judge
from game_engine.report import summarise
from game_engine.rules import CURRENT_RULES, rules_for
from game_engine.track import clean
from game_engine.trust import TrustContext

SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "tracks" / "seoul-forest-loop.gpx"


def main(path: Path) -> int:
    """Print what the track measures, what does not count and what it captures."""
    try:
        fixes = read_gpx(path, pace_mps=1.2)
    except GpxError as error:
        print(f"{error.code}: {error}")
        return 1
    rules = rules_for(CURRENT_RULES)

    track = clean(fixes, rules)
    print(f"{path.name}: {len(fixes)} fixes, rules {rules.version}")
    print(f"distance {track.distance_m:.0f} m, {track.moving_ms / 60_000:.1f} min moving")
    for line in summarise(track.drops, "en"):
        print(f"  does not count: {line}")

    # Cells that the path itself earns, before anybody asks whether the track is to be believed.
    captures = capture(track, rules)
    by_loop = int(captures.loop.sum())
    print(f"cells {len(captures)}: {len(captures) - by_loop} by trail, {by_loop} by loop")

    verdict = judge(fixes, TrustContext(), rules)
    print(f"trust {verdict.trust.score} of 100, counts for the board: {verdict.counts_for_board}")
    for reason in verdict.reasons:
        print(f"  {reason}")
    earned = verdict.captures.cells.tolist()
    print(f"earned {len(earned)} cells, {sum(map(area_m2, earned)) / 1e6:.4f} km2")
    if earned:
        print(f"first cell {to_hex(earned[0])} at {int(verdict.captures.at_ms[0])} ms UTC")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED))
