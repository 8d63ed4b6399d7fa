"""Gait from the pixels: rendered walks through detector, pose net and gait score, beside the truth.

The decisive test of the two nets together: a symmetric error of a pixel is nothing to PCK and
everything to the symmetry of two hind legs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk import gait
from edge_sdk.gait.tracking import DogFollower, Tracked, between
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from edge_sdk.vision.pose import PoseEstimator
from edge_sdk.vision.stage import InferenceStage
from model_export.evaluate import clips
from model_export.synth.clips import WalkClip
from model_export.synth.truth import GaitTruth

Floats = NDArray[np.float64]
Frames = Iterator[tuple[float, NDArray[np.uint8]]]

#: The detector looks at every so-many-th frame; between, the box moves on a straight line.
DETECT_EVERY = 4

#: Left and right differ beyond doubt from here on: then the sign must be right.
_CLEAR_SI_PERCENT = 15.0


@dataclass(frozen=True)
class WalkResult:
    """One walk: its truth, and what was measured (None where the score abstained).

    `faults`: what each score should fall with (`true_faults`); `scores` by the seed's five names;
    `risk` "low", "medium", "high" or None; `collapse_refused`: whether the same keypoints with both
    hind legs drawn onto one are refused, None where the walk itself was.
    """

    seed: int
    fps: float
    truth: GaitTruth
    faults: dict[str, float]
    pose: clips.ClipReport
    measures: dict[str, float | None]
    scores: dict[str, float | None]
    risk: str | None
    refused: str | None
    collapse_refused: bool | None = None


@dataclass(frozen=True)
class WalksReport:
    """All walks. SI in shares as in the literature's fractions (0.15 is 15 %).

    `frequency_mae_hz`, `stance_si_r`, `stance_si_mae`, `stance_si_sign` (share with the right sign
    where the true |SI| >= .15), `stifle_rom_mae_deg`, `hock_rom_mae_deg`; `score_rho` rank
    correlation of each score with its fault's absence; `sound_called_high` share of the `sound`
    dogs; `collapse_refused` share of walks that abstain once both hind legs are drawn as one.
    """

    walks: int
    measured: int
    refused: dict[str, int]
    pose: clips.ClipsReport
    frequency_mae_hz: float
    stance_si_r: float
    stance_si_mae: float
    stance_si_sign: float
    stifle_rom_mae_deg: float
    hock_rom_mae_deg: float
    score_rho: dict[str, float]
    sound: int
    sound_called_high: float
    collapse_refused: float


def keypoints_from_pixels(
    frames: Frames,
    detector: Detector,
    estimator: PoseEstimator,
    every: int = DETECT_EVERY,
) -> Floats:
    """Keypoints (T, 24, 3) of a clip, NaN while the dog is lost.

    The detector sees every `every`-th frame and the last one; the dog between two of them is on
    the straight way. Memory: `every` frames.
    """
    follower = DogFollower()
    found: list[Floats] = []
    waiting: list[tuple[float, NDArray[np.uint8]]] = []
    before: Tracked | None = None

    def flush(after: Tracked | None) -> None:
        nonlocal before
        known = before or after
        if known is None:
            found.extend(np.full((len(KEYPOINT_NAMES), 3), np.nan) for _ in waiting)
        else:
            start, end = before or known, after or known
            dogs = [between(start, end, time_ms) for time_ms, _ in waiting]
            boxes = [dog.box_xyxy_px for dog in dogs]
            headings = [dog.heading_rad for dog in dogs]
            images = [image for _, image in waiting]
            found.extend(estimator.estimate_each(images, boxes, headings).astype(np.float64))
        waiting.clear()
        before = after

    for number, (time_ms, image) in enumerate(frames):
        waiting.append((time_ms, image))
        if number % every == 0:
            flush(follower.observe(time_ms, detector.detect([image])[0]))
    if waiting:
        flush(follower.observe(waiting[-1][0], detector.detect([waiting[-1][1]])[0]))
    return np.asarray(found)


def judge_walk(
    seed: int,
    estimator: PoseEstimator,
    detector: Detector | None,
    *,
    fps: float,
    seconds: float = 10.0,
    size: tuple[int, int] = (640, 360),
    frames_of: Callable[[WalkClip], Frames] = WalkClip.frames,
) -> WalkResult:
    """Render a test walk and measure it; without a detector the true boxes are used.

    `frames_of` gives the frames of a clip, as one that keeps them from run to run.
    """
    clip = WalkClip.random(
        seed, split="test", fps=fps, seconds=seconds, width=size[0], height=size[1]
    )
    if detector is None:
        keypoints = clips.poses_of_clip(estimator, clip, np.random.default_rng(seed))
    else:
        keypoints = keypoints_from_pixels(frames_of(clip), detector, estimator)
    report = gait.score(keypoints, clip.timestamps_ms)
    refused = None if report.refusal is None else str(report.refusal.reason)
    measures = {name: measure.value for name, measure in report.measures.items()}
    scores: dict[str, float | None] = {n: report.metrics[n].score for n in gait.METRICS}
    return WalkResult(
        seed,
        fps,
        clip.truth,
        true_faults(clip),
        clips.report_of_clip(keypoints, clip),
        measures,
        scores,
        report.overall_risk_level,
        refused,
        None if refused else _abstains(gait.score(collapsed(keypoints), clip.timestamps_ms)),
    )


def collapsed(keypoints: Floats) -> Floats:
    """The same keypoints (T, 24, 3) with both hind legs where their middle is."""
    out = np.array(keypoints, np.float64)
    for name in ("paw", "knee", "elbow"):
        pair = [KEYPOINT_NAMES.index(f"rear_{side}_{name}") for side in ("left", "right")]
        out[:, pair] = out[:, pair].mean(axis=1, keepdims=True)
    return out


def _abstains(report: gait.GaitReport) -> bool:
    """Whether nothing is said about left against right."""
    sides = (report.metrics["gait_balance"], report.metrics["patella_risk_signal"])
    return report.refusal is not None or all(score.score is None for score in sides)


def true_faults(clip: WalkClip) -> dict[str, float]:
    """What each score should fall with, larger is worse: as in the kinematic examination
    (`benchmarks/gait.py`), whose definitions stood before any figure from pixels.
    """
    truth = clip.truth
    hind = abs(truth.hind_stance_si)
    reach = min(
        (stifle + hock) / 2
        for stifle, hock in zip(truth.stifle_rom_deg, truth.hock_rom_deg, strict=True)
    )
    stiff = 1 - min(truth.stifle_rom_deg) / max(truth.stifle_rom_deg)
    return {
        "patella_risk_signal": truth.skip_rate / 0.25 + hind / 20 + stiff,
        "gait_balance": hind + 60 * truth.skip_rate,
        "knee_mobility": -reach,
        "gait_stability": _unsteadiness(clip),
        "gait_rhythm": truth.stride_time_cv,
    }


def _unsteadiness(clip: WalkClip) -> float:
    """RMS of what the heights of withers and pelvis do beyond the even bob, in body units."""
    until_s = float(clip.timestamps_ms[-1]) / 1000.0
    times: Floats = np.arange(0.0, until_s, 1 / 120).astype(np.float64)
    skeleton = clip.plan.at(times).skeleton
    heights = np.stack([skeleton.thorax_xyz[:, 2], skeleton.pelvis_xyz[:, 2]], axis=1)
    phase = 4 * np.pi * clip.truth.stride_hz * times
    even = np.stack([np.ones_like(times), np.cos(phase), np.sin(phase)], axis=1)
    rest = heights - even @ np.linalg.lstsq(even, heights, rcond=None)[0]
    return float(np.sqrt((rest**2).mean()))


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Rank correlation, ties by their mean rank; NaN for fewer than three pairs."""
    if len(a) < 3:
        return float("nan")
    ranks = [_ranks(np.asarray(values, np.float64)) for values in (a, b)]
    if min(r.std() for r in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place], np.float64)


def _pairs(
    walks: Sequence[WalkResult], name: str, truth: Callable[[GaitTruth], float]
) -> tuple[Floats, Floats]:
    """(measured, true) of the walks where the measure has a value."""
    rows = [
        (value, truth(walk.truth))
        for walk in walks
        if (value := walk.measures.get(name)) is not None
    ]
    array = np.asarray(rows, np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _rom_of(name: str, side: int) -> Callable[[GaitTruth], float]:
    """Reads one side (0 left, 1 right) of a pair of the truth."""

    def read(truth: GaitTruth) -> float:
        return float(getattr(truth, name)[side])

    return read


def summary(walks: Sequence[WalkResult]) -> WalksReport:
    """All numbers over a set of walks."""
    cadence, stride_hz = _pairs(walks, "cadence", lambda t: t.stride_hz)
    mine, true_si = _pairs(walks, "hind_stance_si", lambda t: t.hind_stance_si)
    clear = np.abs(true_si) >= _CLEAR_SI_PERCENT
    # The score places the hip (decision 0009), so its stifle is the joint's, not the tail root's.
    rom_gaps: dict[str, list[float]] = {"stifle": [], "hock": []}
    for joint, truth_name in (("stifle", "stifle_rom_deg"), ("hock", "hock_rom_deg")):
        for side, name in enumerate(("left", "right")):
            measured, real = _pairs(walks, f"{name}_{joint}_rom", _rom_of(truth_name, side))
            rom_gaps[joint] += list(np.abs(measured - real))
    refused: dict[str, int] = {}
    for walk in walks:
        if walk.refused is not None:
            refused[walk.refused] = refused.get(walk.refused, 0) + 1
    rho: dict[str, float] = {}
    for name in gait.METRICS:
        scored = [w for w in walks if w.scores[name] is not None]
        goodness = [-w.faults[name] for w in scored]
        rho[name] = spearman([float(w.scores[name] or 0.0) for w in scored], goodness)
    judged = [w for w in walks if w.refused is None]
    sound = [w for w in walks if w.truth.sound and w.refused is None]
    return WalksReport(
        walks=len(walks),
        measured=len(judged),
        refused=refused,
        pose=clips.summary([w.pose for w in walks]),
        frequency_mae_hz=_mean(np.abs(cadence / 60 - stride_hz)),
        stance_si_r=float(np.corrcoef(mine, true_si)[0, 1]) if len(mine) > 2 else float("nan"),
        stance_si_mae=_mean(np.abs(mine - true_si)) / 100,
        stance_si_sign=_mean((np.sign(mine) == np.sign(true_si))[clear]),
        stifle_rom_mae_deg=_mean(np.asarray(rom_gaps["stifle"])),
        hock_rom_mae_deg=_mean(np.asarray(rom_gaps["hock"])),
        score_rho=rho,
        sound=len(sound),
        sound_called_high=_mean(np.asarray([w.risk == "high" for w in sound])),
        collapse_refused=_mean(np.asarray([w.collapse_refused for w in judged], bool)),
    )


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def judge_walks(
    pose_stage: InferenceStage,
    detector_stage: InferenceStage | None,
    *,
    seeds: Sequence[int],
    fps: float,
    thresholds: dict[str, float] | None = None,
    progress: Callable[[int], None] | None = None,
) -> WalksReport:
    """Render and measure the walks of these seeds; `detector_stage` None uses the true boxes."""
    estimator = PoseEstimator(pose_stage)
    limits = thresholds or {"score": 0.3, "nms_iou": 0.5}
    finder = None if detector_stage is None else Detector(detector_stage, limits)
    walks = []
    for number, seed in enumerate(seeds):
        walks.append(judge_walk(seed, estimator, finder, fps=fps))
        if progress is not None:
            progress(number + 1)
    return summary(walks)
