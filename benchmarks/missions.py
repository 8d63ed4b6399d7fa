"""What the mission checker says of dogs it was not set on: success, fail, uncertain by mission.

    .venv-models/bin/python benchmarks/missions.py [--clips 40] [--seed 20]

Poses only, no pictures: (1) generated dogs of the test split (`model_export.synth`, other builds
and seeds than the bounds were set on) that sit, lie, give a paw, turn, jump or stand, seen from the
side or not, 10 to 30 frames a second; (2) the stick dog of tests/support/mission_poses.py with
random builds, cameras and holds. Keypoints get 0 to 2 % of the trunk's length as noise and up to
15 % are missing. Every clip is judged for each mission whose truth is clear: a posture counts when
held for 1.2 s or longer, not when held for 0.7 s or shorter; PAW is judged with the owner's hand
seen, and again without.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_sdk.mission.check import check
from edge_sdk.mission.result import Verdict
from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from tests.support import mission_poses as stick

MISSIONS = ("SIT", "DOWN", "PAW", "TURN", "JUMP")
HELD_S, NOT_HELD_S = 1.2, 0.7
PAWS = {"left": KEYPOINT_NAMES.index("front_left_paw"),
        "right": KEYPOINT_NAMES.index("front_right_paw")}  # fmt: skip

Truths = dict[str, bool]
"""Mission -> whether it was done; missions that are not clear are left out."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=40, help="clips of each action")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    table("generated dogs, test split", generated(options.clips, options.seed))
    table("stick dogs", sticks(options.clips, options.seed))


def table(name: str, clips: Iterator[tuple[stick.Filmed, Truths]]) -> None:
    counts: Counter[tuple[str, bool, Verdict]] = Counter()
    for clip, truths in clips:
        for mission, done in truths.items():
            for with_hand in (True, False) if mission == "PAW" else (True,):
                if not with_hand and not len(clip.hands):
                    continue
                hands = clip.hands if with_hand and len(clip.hands) else None
                verdict = check(
                    mission, clip.keypoints, clip.headings_rad, clip.timestamps_ms,
                    clip.boxes_xyxy_px, hand_boxes_xyxy_px=hands,
                )  # fmt: skip
                row = mission if with_hand else "PAW, hand unseen"
                counts[row, done, verdict.verdict] += 1
    print(f"\n{name}\n{'mission':18}{'truth':10}{'clips':>6}" +
          "".join(f"{verdict:>11}" for verdict in Verdict))  # fmt: skip
    for row in (*MISSIONS, "PAW, hand unseen"):
        for done in (True, False):
            found = [counts[row, done, verdict] for verdict in Verdict]
            total = sum(found)
            if total:
                shares = "".join(f"{share / total:11.1%}" for share in found)
                print(f"{row:18}{'done' if done else 'not done':10}{total:6}{shares}")


def spoiled(
    rng: np.random.Generator, xy: np.ndarray, headings: np.ndarray, times_ms: np.ndarray
) -> stick.Filmed:
    """Pixels (T, 24, 2) as a net would give them."""
    points = np.concatenate([xy, np.full((*xy.shape[:2], 1), 0.9)], axis=2)
    trunk = KEYPOINT_NAMES.index("withers"), KEYPOINT_NAMES.index("tail_start")
    length = float(np.median(np.hypot(*(xy[:, trunk[0]] - xy[:, trunk[1]]).T)))
    points[:, :, :2] += rng.normal(0, rng.uniform(0, 0.02) * length, xy.shape)
    points[rng.random(xy.shape[:2]) < rng.uniform(0, 0.15), 2] = 0.05
    boxes = np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1)
    turned = headings + rng.normal(0, 0.08, len(headings))
    return stick.Filmed(points, np.angle(np.exp(1j * turned)), times_ms, boxes)


def truths_of(action: str, sat_s: float, lay_s: float, pawed_s: float) -> Truths:
    """Say what holds by how long each posture was held."""
    found: Truths = {"TURN": action == "TURN", "JUMP": action == "JUMP"}
    for mission, held_s in (("SIT", sat_s), ("DOWN", lay_s), ("PAW", pawed_s)):
        if held_s >= HELD_S:
            found[mission] = True
        elif held_s <= NOT_HELD_S and (mission != "PAW" or action != "PAW"):
            found[mission] = False
    return found


def generated(clips: int, seed: int) -> Iterator[tuple[stick.Filmed, Truths]]:
    from model_export.synth.actions import ACTIONS, act
    from model_export.synth.body import Dog, FigureMaker
    from model_export.synth.expression import Expression
    from model_export.synth.filming import Filming, plan_cameras, reach_points

    for action in ACTIONS:
        for number in range(clips):
            rng = np.random.default_rng((seed, ACTIONS.index(action), number))
            dog = Dog.random(rng, "test")
            fps, seconds = float(rng.choice([10, 12, 15, 24, 30])), float(rng.uniform(3.0, 6.0))
            times = np.arange(int(fps * seconds)) / fps
            acted = act(rng, action, dog.body, times)
            last_ms = 1000 * seconds
            if action in ("SIT", "DOWN") and rng.random() < 0.4:
                # The clip ends soon after the posture was reached.
                reached = next(i for i in acted.truth.intervals if i.label == action).start_ms
                last_ms = reached + float(rng.uniform(150, 650))
            kept = int(np.searchsorted(1000 * times, last_ms))
            how = Filming.random(rng, bool(rng.random() < 0.55))
            cameras = plan_cameras(
                rng, how, acted.motion, dog.body.trunk, (640, 360), reach_points(acted.motion)
            ).cameras
            maker = FigureMaker(dog, Expression.neutral(rng))
            xy = np.array(
                [
                    cameras[at].project(maker.figure(acted.motion.skeleton, at).keypoints_xyz)
                    for at in range(kept)
                ]
            )[:, :, :2]
            headings = np.array([cameras[at].heading_rad for at in range(kept)])
            clip = spoiled(rng, xy, headings, 1000 * times[:kept])
            held = Counter[str]()
            for interval in acted.truth.intervals:
                length = min(interval.end_ms, last_ms) - min(interval.start_ms, last_ms)
                held[interval.label] += length / 1000
            if action == "PAW":
                starts = [i.start_ms for i in acted.truth.intervals if i.label == "PAW"]
                paw = xy[:, PAWS[str(acted.truth.paw)]]
                clip = with_hand(clip, paw, clip.timestamps_ms >= starts[0])
            # Who gives a paw goes on sitting.
            sat = held["SIT"] + (held["PAW"] + held["MOVE"] if action == "PAW" else 0.0)
            if action == "PAW" and sat < 2.0:
                continue
            yield clip, truths_of(action, sat, held["DOWN"], held["PAW"])


def with_hand(clip: stick.Filmed, paw: np.ndarray, when: np.ndarray) -> stick.Filmed:
    """Put an owner's hand under a paw (T, 2) while it is given."""
    size = 0.06 * float(np.median(clip.boxes_xyxy_px[:, 3] - clip.boxes_xyxy_px[:, 1]))
    hands = np.concatenate([paw - size, paw + size], axis=1)
    hands[~when] = np.nan
    return stick.Filmed(
        clip.keypoints, clip.headings_rad, clip.timestamps_ms, clip.boxes_xyxy_px, hands
    )


def sticks(clips: int, seed: int) -> Iterator[tuple[stick.Filmed, Truths]]:
    for kind, action in enumerate(("SIT", "DOWN", "PAW", "TURN", "JUMP", "STAND")):
        for number in range(clips):
            rng = np.random.default_rng((seed, 100 + kind, number))
            build = stick.Build(float(rng.uniform(0.85, 1.4)), float(rng.uniform(0.32, 0.58)))
            seconds, start = float(rng.uniform(3.0, 6.0)), float(rng.uniform(0.5, 1.2))
            hold = float(rng.uniform(0.2, 0.6) if rng.random() < 0.4 else rng.uniform(1.3, 1.8))
            yaw: Callable[[float], float] | float = float(rng.uniform(-0.5, 0.5))
            rest, stance = stick.stand(build), stick.stand(build)
            if action == "TURN":
                speed, side = float(rng.uniform(1.8, 3.5)), float(rng.choice([-1, 1]))
                angle = min(float(rng.uniform(np.radians(200), np.radians(380))),
                            speed * (seconds - start - 0.3))  # fmt: skip
                if angle < np.radians(200):
                    continue

                def yaw(t: float, speed: float = speed, side: float = side, start: float = start,
                        angle: float = angle) -> float:  # fmt: skip
                    return side * float(np.clip((t - start) * speed, 0, angle))

            elif action in ("SIT", "PAW"):
                stance = stick.sit(build)
                if action == "PAW":
                    rest, stance = stance, stick.begging_paw(build, 0.7 * build.leg)
                    hold = float(rng.uniform(1.3, 1.8))
            elif action == "DOWN":
                stance = stick.lie(build)
            moves = stick.between_stances(rest, stance, start, start + hold, 0.3)
            if action == "JUMP":
                moves = stick.jumping(
                    build, start, float(rng.uniform(0.3, 0.7)), float(rng.uniform(14, 40))
                )
            clip = stick.film(
                moves, seconds, build=build, fps=float(rng.choice([10, 12, 15, 24, 30])),
                yaw_rad=yaw, pitch_deg=float(rng.uniform(0, 22)),
                noise=float(rng.uniform(0, 0.02)), missing=float(rng.uniform(0, 0.15)),
                seed=int(rng.integers(2**31)),
            )  # fmt: skip
            if action == "PAW":
                when = clip.timestamps_ms >= 1000 * start
                when &= clip.timestamps_ms <= 1000 * (start + hold)
                clip = with_hand(clip, clip.keypoints[:, PAWS["left"], :2], when)
            sat = {"SIT": hold, "PAW": seconds}.get(action, 0.0)
            yield clip, truths_of(action, sat, hold if action == "DOWN" else 0.0,
                                  hold if action == "PAW" else 0.0)  # fmt: skip


if __name__ == "__main__":
    main()
