"""A plain walking dog in the picture plane, for unit tests of the gait measures.

Paws stand still on the ground and swing by half-cosine steps. It is not the generator of the
examination (`gait_clips`): it is small enough to see through.
"""

from dataclasses import dataclass, replace

import numpy as np

from edge_sdk.vision.keypoints import FLIP_INDEX

PIXELS = 150.0
WIDTH_PX = 1280.0
LIMBS = ("FL", "RL", "FR", "RR")
HIP = np.array([-0.35, 0.72])
THIGH, SHANK = 0.34, 0.36
STARTS = {"walk": (0.25, 0.0, 0.75, 0.5), "trot": (0.5, 0.0, 0.0, 0.5)}


@dataclass(frozen=True)
class Walker:
    """What the dog does; indices in percent, lengths in trunk lengths (150 px)."""

    gait: str = "walk"
    stride_hz: float = 1.25
    duty: float = 0.62
    travel: float = 0.95
    hind_stance_si: float = 0.0
    fore_stance_si: float = 0.0
    hind_bend: tuple[float, float] = (1.0, 1.0)
    carried_left_hind: tuple[int, ...] = ()
    stride_cv: float = 0.02
    bob: float = 0.01
    limp_bob: float = 0.0
    noise: float = 0.01
    dropout: float = 0.03
    speed_in_picture: float = 0.0
    seed: int = 0

    def but(self, **changes: object) -> "Walker":
        """The same dog doing something else."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def film(self, fps: float = 30.0, seconds: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints (T, 24, 3) in px and times (T,) in ms; the dog faces right."""
        rng = np.random.default_rng(self.seed)
        time_s = np.arange(round(seconds * fps)) / fps
        lengths = 1 + self.stride_cv * np.clip(rng.normal(size=200), -2, 2)
        at = np.concatenate([[0.0], np.cumsum(lengths)]) - rng.uniform(1, 2)
        phase = np.interp(time_s * self.stride_hz, at, np.arange(201))
        turn = 2 * np.pi * phase
        bob = self.bob * np.cos(2 * turn) + self.limp_bob * np.cos(turn - 2.0)
        points = np.zeros((len(time_s), 24, 2))
        points[:, 22] = np.column_stack([0.5 + 0 * bob, 0.95 + bob])
        points[:, 12] = np.column_stack([-0.5 + 0 * bob, 0.9 + bob])
        head = {13: (-0.8, 0.8), 14: (0.8, 1.15), 15: (0.8, 1.15), 16: (1.05, 1.0), 17: (0.95, 0.9),
                18: (0.75, 1.25), 19: (0.75, 1.25), 20: (0.92, 1.08), 21: (0.92, 1.08),
                23: (0.62, 0.8)}  # fmt: skip
        for point, (x, z) in head.items():
            points[:, point] = np.column_stack([x + 0 * bob, z + bob])
        for limb, row in enumerate((0, 3, 6, 9)):
            points[:, row : row + 3] = self._leg(limb, phase, bob)
        middle = WIDTH_PX / 2 + PIXELS * self.speed_in_picture * (time_s - time_s.mean())
        keypoints = np.empty((len(time_s), 24, 3))
        keypoints[:, :, 0] = middle[:, None] + PIXELS * points[:, :, 0]
        keypoints[:, :, 1] = 500.0 - PIXELS * points[:, :, 1]
        keypoints[:, :, :2] += PIXELS * self.noise * rng.normal(size=points.shape)
        keypoints[:, :, 2] = np.clip(0.85 + 0.05 * rng.normal(size=points.shape[:2]), 0.3, 1.0)
        keypoints[rng.random(points.shape[:2]) < self.dropout] = (np.nan, np.nan, 0.0)
        return keypoints, time_s * 1000.0

    def duties(self) -> np.ndarray:
        """Share of the stride on the ground, FL, RL, FR, RR."""
        fore, hind = self.fore_stance_si / 200, self.hind_stance_si / 200
        return self.duty * (1 + np.array([fore, hind, -fore, -hind]))

    def ranges(self, limb: int) -> tuple[float, float]:
        """Range of the hock's and of the stifle's angle (to the tail base), in degrees."""
        phase = np.linspace(0, 1, 400, endpoint=False)
        paw, hock, stifle = self._leg(limb, phase, 0 * phase).transpose(1, 0, 2)
        return _range(stifle, hock, paw), _range(HIP + 0 * paw, stifle, hock)

    def _leg(self, limb: int, phase: np.ndarray, bob: np.ndarray) -> np.ndarray:
        hind, duty = limb in (1, 3), self.duties()[limb]
        own = phase - STARTS[self.gait][limb]
        number, since = np.floor(own).astype(int), own % 1.0
        q = np.clip((since - duty) / (1 - duty), 0, 1)
        x = self.travel * (duty / 2 - since + 0.5 - 0.5 * np.cos(np.pi * q))
        z = 0.1 * np.sin(np.pi * q) ** 1.4
        fold = np.sin(np.pi * q) ** 1.5
        if limb == 1 and self.carried_left_hind:
            held = np.isin(number, self.carried_left_hind) * 1.0
            held = np.convolve(np.pad(held, 2, mode="edge"), np.ones(5) / 5, "valid")
            x, z, fold = x * (1 - held), z * (1 - held) + 0.2 * held, fold * (1 - held) + held
        bend = self.hind_bend[limb // 2] if hind else 1.0
        paw = np.column_stack([x + (-0.42 if hind else 0.42), z])
        lean = np.radians(-6 - 14 * (x / self.travel) * 2 * bend + 55 * fold * bend)
        middle = paw + 0.24 * np.column_stack([np.sin(lean), np.cos(lean)])
        if hind:
            hip = HIP + np.column_stack([0 * bob, bob])
            return np.stack([paw, middle, _knee(hip, middle)], axis=1)
        top = np.column_stack([0.0 * x + 0.36, 0.74 + bob])
        knee = middle + 0.55 * (top - middle)
        knee[:, 0] -= 0.09 + 0.05 * fold * bend
        return np.stack([paw, middle, knee], axis=1)


def _knee(hip: np.ndarray, hock: np.ndarray) -> np.ndarray:
    """Where thigh and shank meet, in front of the line from hip to hock."""
    way = hock - hip
    apart = np.hypot(way[:, 0], way[:, 1])[:, None]
    assert (apart < THIGH + SHANK).all(), "the leg does not reach"
    along = (THIGH**2 - SHANK**2 + apart**2) / (2 * apart)
    forward = np.column_stack([-way[:, 1], way[:, 0]]) / apart
    return hip + along * way / apart + np.sqrt(THIGH**2 - along**2) * forward


def _range(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    u, v = a - b, c - b
    sine = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return float(np.ptp(np.degrees(np.arctan2(np.abs(sine), (u * v).sum(1)))))


def mirrored(keypoints: np.ndarray) -> np.ndarray:
    """The clip in a mirror."""
    seen = keypoints[:, list(FLIP_INDEX)].copy()
    seen[:, :, 0] = WIDTH_PX - seen[:, :, 0]
    return seen
