"""The dogs of the gait examination behind one interface: `DOGS["second"]`, `DOGS["third"]`.

Which of them is held out from what says docs/decisions/0012.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from tests.support import gait_clips, strut_dog, strut_film

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Example:
    """Keypoints (T, 24, 3), times (T,), and what is true: rhythm, symmetry, fault of each score."""

    keypoints: Array
    timestamps_ms: Array
    stride_hz: float
    hind_stance_si: float
    faults: dict[str, float]


class Kennel(Protocol):
    """One kind of dog: its gaits, builds and filmings (values of its own), and its clips."""

    def any(self, rng: np.random.Generator) -> Any:
        """Draw a gait from sound to lame."""
        ...

    def sound(self, rng: np.random.Generator) -> Any:
        """Draw a sound gait."""
        ...

    def lame(self, gait: Any, asymmetry: float) -> Any:
        """Give a gait this asymmetry of its hind stance, (left - right) / mean."""
        ...

    def seconds_of(self, gait: Any, strides: float) -> float:
        """How long so many strides take."""
        ...

    def build(self, rng: np.random.Generator) -> Any:
        """Draw a body."""
        ...

    def filming(self, rng: np.random.Generator, fps: float, hard: bool = True) -> Any:
        """Draw a filming."""
        ...

    def plain(self, **fields: Any) -> Any:
        """Make a filming: fps, seconds, yaw_deg, zoom, noise, far_side, faces_left, swap_rate."""
        ...

    def changed(self, filming: Any, **fields: Any) -> Any:
        """Change a filming, by the same fields."""
        ...

    def clip(self, rng: np.random.Generator, gait: Any, filming: Any, build: Any = None) -> Example:
        """Film a walk."""
        ...


class Second:
    """tests/support/gait_clips.py: pantograph hind limbs, minimum-jerk swings."""

    def any(self, rng: np.random.Generator) -> gait_clips.Gait:
        """See `Kennel.any`."""
        return gait_clips.Gait.any(rng)

    def sound(self, rng: np.random.Generator) -> gait_clips.Gait:
        """See `Kennel.sound`."""
        return gait_clips.Gait.sound(rng)

    def lame(self, gait: gait_clips.Gait, asymmetry: float) -> gait_clips.Gait:
        """See `Kennel.lame`."""
        return replace(gait, hind_stance=asymmetry)

    def seconds_of(self, gait: gait_clips.Gait, strides: float) -> float:
        """See `Kennel.seconds_of`."""
        return strides / gait.stride_hz

    def build(self, rng: np.random.Generator) -> gait_clips.Dog:
        """See `Kennel.build`."""
        return gait_clips.Dog.random(rng)

    def filming(self, rng: np.random.Generator, fps: float, hard: bool = True) -> gait_clips.View:
        """See `Kennel.filming`."""
        return gait_clips.View.random(rng, fps, hard)

    def plain(self, **fields: Any) -> gait_clips.View:
        """See `Kennel.plain`."""
        return gait_clips.View(**fields)

    def changed(self, filming: gait_clips.View, **fields: Any) -> gait_clips.View:
        """See `Kennel.changed`."""
        return replace(filming, **fields)

    def clip(
        self,
        rng: np.random.Generator,
        gait: gait_clips.Gait,
        filming: gait_clips.View,
        build: gait_clips.Dog | None = None,
    ) -> Example:
        """See `Kennel.clip`."""
        made = gait_clips.make_clip(rng, gait, filming, build)
        truth = made.truth
        return Example(
            made.keypoints, made.timestamps_ms, truth.stride_hz, truth.hind_stance_si, truth.faults
        )


class Third:
    """tests/support/strut_dog.py: struts that fold, a clock with delays; made blind."""

    _NAMES: ClassVar[dict[str, str]] = {
        "zoom": "nearer",
        "far_side": "far_worse",
        "faces_left": "from_left",
        "swap_rate": "swapped",
    }

    def any(self, rng: np.random.Generator) -> strut_dog.Walk:
        """See `Kennel.any`."""
        return strut_dog.Walk.any(rng)

    def sound(self, rng: np.random.Generator) -> strut_dog.Walk:
        """See `Kennel.sound`."""
        return strut_dog.Walk.sound(rng)

    def lame(self, gait: strut_dog.Walk, asymmetry: float) -> strut_dog.Walk:
        """See `Kennel.lame`."""
        return replace(gait, spares=asymmetry)

    def seconds_of(self, gait: strut_dog.Walk, strides: float) -> float:
        """See `Kennel.seconds_of`."""
        return strides * gait.stride_s

    def build(self, rng: np.random.Generator) -> strut_dog.Build:
        """See `Kennel.build`."""
        return strut_dog.Build.draw(rng)

    def filming(
        self, rng: np.random.Generator, fps: float, hard: bool = True
    ) -> strut_film.Filming:
        """See `Kennel.filming`."""
        return strut_film.Filming.draw(rng, fps, hard)

    def plain(self, **fields: Any) -> strut_film.Filming:
        """See `Kennel.plain`."""
        return self.changed(strut_film.Filming(), **fields)

    def changed(self, filming: strut_film.Filming, **fields: Any) -> strut_film.Filming:
        """See `Kennel.changed`."""
        named = {self._NAMES.get(name, name): value for name, value in fields.items()}
        return replace(filming, **named)

    def clip(
        self,
        rng: np.random.Generator,
        gait: strut_dog.Walk,
        filming: strut_film.Filming,
        build: strut_dog.Build | None = None,
    ) -> Example:
        """See `Kennel.clip`."""
        made = strut_film.film(rng, gait, filming, build)
        truth = made.truth
        return Example(
            made.keypoints, made.timestamps_ms, truth.stride_hz, truth.hind_stance_si, truth.faults
        )


DOGS: dict[str, Kennel] = {"second": Second(), "third": Third()}
