"""What the face check samples and what it refuses: the product's numbers in one place."""

from __future__ import annotations

import msgspec


class FacePolicy(msgspec.Struct, frozen=True):
    """Limits and thresholds; the defaults are the product's.

    `max_key_frames` (8), `fps` (5), `detected_share` (0.6), `min_area_share` (0.05),
    `min_face_confidence` (0.5) and `low_confidence` (0.4) are those of its pipeline document,
    sections 2-5, 4-4 and 4-6. With fewer than `min_key_frames` key frames a clip is sampled at
    `fps` instead: encoders of phones write one a second or fewer.
    """

    max_duration_ms: float = 10_000.0
    max_side_px: int = 960
    fps: float = 5.0
    max_key_frames: int = 8
    min_key_frames: int = 4
    batch: int = 4
    max_crops: int = 8
    detected_share: float = 0.6
    min_area_share: float = 0.05
    min_face_confidence: float = 0.5
    low_confidence: float = 0.4
    decode_threads: int = 2
