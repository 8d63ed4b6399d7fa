"""A stage of a loaded bundle: normalisation, layout and batches around a runtime's session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.golden import GoldenVectors, case_of, greatest_difference, sample_of
from edge_sdk.bundle.manifest import InputSpec, Stage, Variant
from edge_sdk.errors import (
    BatchInvalid,
    BundleClosed,
    InferenceFailed,
    ModelMismatch,
    SelfTestFailed,
)
from edge_sdk.runtime.protocol import Session, fits, output_shape

MAX_BATCH: Final = 8
"""Pictures that go to a runtime at once: more are no faster on a phone and cost memory."""

SELF_TEST_VECTORS: Final = 3
"""Golden vectors run at load: enough for a crop inside, one mirrored, one over the edge."""

# A runtime that takes pixels takes whole grey levels. Half a level of noise on every pixel moved
# the logits of the tests' classifier by 0.05 (tests/edge_sdk/test_runtimes.py).
_ROUNDED_PIXELS_ERROR: Final = 0.1


@dataclass(frozen=True, slots=True)
class Fallback:
    """A variant that was not taken: its error's code and words."""

    variant: Variant
    code: str
    reason: str


class LoadedStage:
    """A net of a bundle, ready to run: give it pictures, get the raw head.

    `spec` is its part of the manifest, `chosen` the variant that runs, `fallbacks` those that were
    tried before it and why they were not taken. Safe to call from several threads.
    """

    def __init__(
        self, spec: Stage, chosen: Variant, session: Session, fallbacks: tuple[Fallback, ...] = ()
    ) -> None:
        """Take an open session of the variant."""
        self.spec = spec
        self.chosen = chosen
        self.fallbacks = fallbacks
        self._session: Session | None = session
        self._normalises_itself = session.takes_pixels

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, height, width, 3) float32 in 0..255 -> the raw head (N, ...) float32.

        Raises `BatchInvalid`, `BundleClosed`, `InferenceFailed` (also for numbers that are not
        finite) or `ModelMismatch` (a head of another shape).
        """
        session = self._session
        if session is None:
            raise BundleClosed("the bundle is closed: load it again")
        spec = self.spec.input
        wanted = (spec.height, spec.width, spec.channels)
        if batch.ndim != 4 or batch.shape[1:] != wanted or batch.dtype != np.float32:
            raise BatchInvalid(f"{batch.dtype} {batch.shape}, not float32 (N, {wanted})")
        if not len(batch):
            shape = tuple(axis or 0 for axis in output_shape(self.spec))
            return np.zeros((0, *shape), np.float32)
        fixed = self.chosen.batch if isinstance(self.chosen.batch, int) else None
        size = fixed or MAX_BATCH
        parts = []
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            count = len(part)
            if fixed is not None and count < fixed:
                part = np.concatenate([part, np.zeros((fixed - count, *wanted), np.float32)])
            parts.append(self._run(session, part)[:count])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(self, session: Session, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self._normalises_itself:
            pictures = normalise(pictures, self.spec.input)
            if self.chosen.layout == "NCHW":
                pictures = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
        raw = session.run(pictures)
        wanted = output_shape(self.spec)
        if len(raw) != len(pictures) or not fits(raw.shape[1:], wanted):
            raise ModelMismatch(f"{self.chosen.file}: head {raw.shape}, not (N, {wanted})")
        if not np.isfinite(raw).all():
            raise InferenceFailed(f"{self.chosen.file}: numbers that are not finite")
        return raw

    def self_test(self, golden: GoldenVectors, vectors: int = SELF_TEST_VECTORS) -> float:
        """Run the first golden vectors; returns the greatest difference of the raw head.

        Raises `SelfTestFailed` where it is beyond the variant's `max_abs_error`.
        """
        allowed = self.chosen.max_abs_error
        if self._normalises_itself:
            allowed += _ROUNDED_PIXELS_ERROR
        worst = 0.0
        for vector in golden.vectors[:vectors]:
            pixels = sample_of(self.spec, case_of(vector))
            gap = greatest_difference(self.infer(pixels[None])[0], vector.raw.array())
            worst = max(worst, gap)
            if not gap <= allowed:
                raise SelfTestFailed(
                    f"{self.chosen.file}: {gap:.3g} off on golden vector {vector.name!r}, "
                    f"{allowed:.3g} allowed"
                )
        return worst

    def close(self) -> None:
        """Give the memory back; `infer` raises `BundleClosed` from now on."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


def normalise(pictures: NDArray[np.float32], spec: InputSpec) -> NDArray[np.float32]:
    """(value / 255 - mean) / std for each of R, G, B, in 32-bit floats; shape stays."""
    out: NDArray[np.float32] = pictures / np.float32(255)
    out -= np.array(spec.mean, np.float32)
    out /= np.array(spec.std, np.float32)
    return out
