"""What a mission asks for, acted: sit, lie down, give a paw, turn, jump, stand. Pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from model_export.synth import poses
from model_export.synth.gait import GaitParams
from model_export.synth.kinematics import GaitPlan, Motion, TurnInPlace, smooth
from model_export.synth.morphology import Morphology
from model_export.synth.posture import PAW_HEIGHT, FloatArray, Pose, solve, standing
from model_export.synth.truth import ActionTruth, Interval

Action = Literal["SIT", "DOWN", "PAW", "TURN", "JUMP", "STAND"]
ACTIONS: tuple[Action, ...] = ("SIT", "DOWN", "PAW", "TURN", "JUMP", "STAND")

GRAVITY_MPS2 = 9.81
_TOUCHING = 0.012
"""A paw lower than this over its standing height touches the ground (body units)."""


@dataclass(frozen=True, eq=False)
class ActedMotion:
    """An action at T times and what it holds."""

    motion: Motion
    truth: ActionTruth


def act(
    rng: np.random.Generator, action: Action, body: Morphology, times_s: FloatArray
) -> ActedMotion:
    """A dog that does `action` within the clip: it stands, moves, holds the pose to the end.

    TURN turns by 180 to 400 degrees on the spot, JUMP leaves the ground with all four paws, each
    once. `times_s` (T,) from 0; shorter clips than 2 s are too short for every action.
    """
    times = np.asarray(times_s, np.float64)
    end = float(times[-1])
    if action == "TURN":
        return _turn(rng, body, times, end)
    if action == "JUMP":
        return _jump(rng, body, times, end)
    return _hold(rng, action, body, times, end)


def _ms(seconds: float) -> float:
    return round(1000.0 * seconds, 3)


def _hold(
    rng: np.random.Generator, action: Action, body: Morphology, times: FloatArray, end: float
) -> ActedMotion:
    start = float(rng.uniform(0.1, 0.3)) * end
    steps: list[tuple[str, Pose, float]] = [("STAND", _fidget(rng, standing(body)), 0.0)]
    left = bool(rng.random() < 0.5)
    if action == "SIT":
        steps.append(("SIT", poses.sitting(body, rng), rng.uniform(0.5, 1.0)))
    elif action == "DOWN":
        if rng.random() < 0.6:
            steps.append(("SIT", poses.sitting(body, rng), rng.uniform(0.4, 0.8)))
        steps.append(("DOWN", poses.lying(body, rng), rng.uniform(0.5, 1.0)))
    elif action == "PAW":
        steps.append(("SIT", poses.sitting(body, rng), rng.uniform(0.4, 0.8)))
        raised = poses.giving_paw(body, left, None, float(rng.uniform(0.3, 1.0)))
        steps.append(("PAW", raised, rng.uniform(0.25, 0.5)))
    # Movements and pauses shrink together when the clip is short.
    moves = sum(duration for _, _, duration in steps)
    pauses = 0.3 * max(len(steps) - 2, 0)
    pace = min(1.0, (0.75 * end - start) / max(moves + pauses, 1e-6)) if len(steps) > 1 else 1.0
    pose = steps[0][1].repeated(len(times))
    intervals, at = [], start if len(steps) > 1 else end
    intervals.append(Interval("STAND", 0.0, _ms(at)))
    for k, (name, target, duration) in enumerate(steps[1:], start=1):
        last = k == len(steps) - 1
        done = at + duration * pace
        pose = _go(pose, target.repeated(len(times)), times, at, done)
        until = end if last else done + 0.3 * pace
        intervals.append(Interval("MOVE", _ms(at), _ms(done)))
        intervals.append(Interval(name, _ms(done), _ms(until)))
        at = until
    pose = _alive(rng, pose, times)
    truth = ActionTruth(
        action,
        True,
        tuple(intervals),
        paw=("left" if left else "right") if action == "PAW" else None,
    )
    return ActedMotion(_still(body, pose, times), truth)


def _go(before: Pose, after: Pose, times: FloatArray, start: float, end: float) -> Pose:
    """Pass from one pose to the other; a paw that must move is lifted on the way."""
    weight = smooth((times - start) / max(end - start, 1e-6))
    mixed = Pose.mix(before, after, weight)
    path = np.linalg.norm(after.paws[:, :, :2] - before.paws[:, :, :2], axis=-1)
    lift = np.minimum(0.35 * path, 0.06) * (4 * weight * (1 - weight))[:, None]
    paws = mixed.paws.copy()
    paws[:, :, 2] += lift
    return mixed.with_(paws=paws)


def _fidget(rng: np.random.Generator, pose: Pose) -> Pose:
    paws = pose.paws + rng.normal(0, 1, (1, 4, 3)) * np.array((0.035, 0.01, 0.0))
    return pose.with_(paws=paws)


def _alive(rng: np.random.Generator, pose: Pose, times: FloatArray) -> Pose:
    """Breathing, looking about and a tail that moves."""
    hz = rng.uniform(0.1, 0.6, (5, 3, 1))
    turn = rng.uniform(0, 2 * np.pi, (5, 3, 1))
    drift = np.sin(2 * np.pi * hz * times + turn).sum(1) / np.sqrt(1.5)
    breath = 0.003 * np.sin(2 * np.pi * rng.uniform(0.4, 2.0) * times)
    look, nod, tilt = rng.uniform(0.05, 0.35), rng.uniform(0.03, 0.12), rng.uniform(0.0, 0.08)
    wag = rng.uniform(0.0, 0.6) * np.sin(2 * np.pi * rng.uniform(0.8, 3.0) * times)
    head = pose.head + np.stack((look * drift[0], nod * drift[1], tilt * drift[2]), -1)
    tail = pose.tail + np.stack((0.05 * drift[3], 0 * wag, wag), -1)
    thorax = pose.thorax + np.stack((0 * breath, breath, 0 * breath), -1)
    sway = pose.sway + 0.004 * drift[4][:, None]
    return pose.with_(
        head=head, tail=tail, thorax=thorax, sway=sway, neck=pose.neck + 0.05 * drift[1]
    )


def _still(body: Morphology, pose: Pose, times: FloatArray) -> Motion:
    count = len(times)
    contacts = pose.paws[:, :, 2] < PAW_HEIGHT + _TOUCHING
    return Motion(times, pose, solve(body, pose), np.zeros((count, 2)), np.zeros(count), contacts)


def _turn(rng: np.random.Generator, body: Morphology, times: FloatArray, end: float) -> ActedMotion:
    angle = float(rng.uniform(np.radians(185), np.radians(400)) * rng.choice((-1.0, 1.0)))
    start = float(rng.uniform(0.08, 0.2)) * end
    done = min(start + abs(angle) / float(rng.uniform(1.8, 3.5)), 0.93 * end)
    gait = GaitParams(
        gait="walk", stride_hz=float(rng.uniform(1.3, 2.0)), duty=0.66, stride_length=0.0,
        lateral_phase=0.25, sway=0.02, start_phase=float(rng.random()),
    )  # fmt: skip
    path = TurnInPlace(angle, start, done, -0.5 * body.trunk)
    stepping = GaitPlan.draw(rng, gait, body, end, path).at(times)
    # The dog steps only while it turns: before and after, the lifted paws come down.
    busy = smooth((times - start + 0.2) / 0.25) * smooth((done + 0.2 - times) / 0.25)
    paws = stepping.pose.paws.copy()
    paws[:, :, 2] = PAW_HEIGHT + busy[:, None] * (paws[:, :, 2] - PAW_HEIGHT)
    look = np.sign(angle) * 0.5 * busy
    head = stepping.pose.head + np.stack((0.6 * look, 0 * look, 0 * look), -1)
    pose = stepping.pose.with_(paws=paws, head=head, neck_yaw=0.5 * look)
    contacts = stepping.contacts | (paws[:, :, 2] < PAW_HEIGHT + 1e-4)
    motion = Motion(
        times, pose, solve(body, pose), stepping.root_xy, stepping.root_yaw_rad, contacts
    )
    intervals = (
        Interval("STAND", 0.0, _ms(start)), Interval("TURN", _ms(start), _ms(done)),
        Interval("STAND", _ms(done), _ms(end)),
    )  # fmt: skip
    truth = ActionTruth("TURN", True, intervals, turned_deg=float(np.degrees(angle)))
    return ActedMotion(motion, truth)


def _jump(rng: np.random.Generator, body: Morphology, times: FloatArray, end: float) -> ActedMotion:
    height = float(rng.uniform(0.3, 0.7))
    gravity = GRAVITY_MPS2 / body.withers_m
    air = 2.0 * float(np.sqrt(2.0 * height / gravity))
    crouch, recover = 0.35, 0.4
    slack = max(end - crouch - air - recover, 0.0)
    start = float(rng.uniform(0.15, 0.6)) * slack
    off = start + crouch
    land = off + air
    distance = float(rng.choice((0.0, rng.uniform(0.2, 1.6))))
    stretch = float(np.clip(0.25 + 0.5 * distance + rng.normal(0, 0.1), 0.0, 1.0))
    count = len(times)
    ground = _fidget(rng, standing(body)).repeated(count)
    low = (
        poses.crouching(body, float(rng.uniform(0.6, 1.0)))
        .with_(paws=ground.paws[:1])
        .repeated(count)
    )
    u = np.clip((times - off) / air, 0.0, 1.0)
    airborne = (times > off) & (times < land)
    lifted = 4.0 * u * (1.0 - u) * height
    fly = Pose.mix(poses.flying(body, 0.0, stretch), poses.flying(body, 1.0, stretch), lifted)
    # Down into the crouch, up into the push, tuck or stretch, and a soft landing.
    sink = smooth((times - start) / (0.6 * crouch)) * smooth((off - times) / (0.4 * crouch))
    soft = smooth((times - land) / (0.3 * recover)) * smooth(
        (land + recover - times) / (0.7 * recover)
    )
    pose = Pose.mix(ground, low, np.clip(sink + 0.7 * soft, 0.0, 1.0))
    tuck = smooth(u / 0.3) * smooth((1.0 - u) / 0.3)
    risen = ground.with_(
        thorax=ground.thorax + np.stack((0 * lifted, lifted, 0 * lifted), -1),
        pelvis=ground.pelvis + np.stack((0 * lifted, lifted, 0 * lifted), -1),
        paws=ground.paws + np.stack((0 * lifted, 0 * lifted, lifted), -1)[:, None],
    )
    pose = Pose.mix(pose, Pose.mix(risen, fly, tuck), airborne.astype(float))
    pose = _alive(rng, pose, times)
    paws = pose.paws.copy()
    paws[:, :, 2] = np.maximum(paws[:, :, 2], PAW_HEIGHT + 0.5 * lifted[:, None])
    pose = pose.with_(paws=paws)
    root = np.stack((distance * u, 0 * u), -1)
    motion = Motion(
        times, pose, solve(body, pose), root, np.zeros(count), ~np.repeat(airborne[:, None], 4, 1)
    )
    intervals = (
        Interval("STAND", 0.0, _ms(start)), Interval("CROUCH", _ms(start), _ms(off)),
        Interval("AIR", _ms(off), _ms(land)), Interval("STAND", _ms(land), _ms(end)),
    )  # fmt: skip
    return ActedMotion(motion, ActionTruth("JUMP", True, intervals, airborne_ms=_ms(air)))
