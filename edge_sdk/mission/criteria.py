"""The numbers behind the missions' criteria, and what they are measured in.

Durations and angles are the product's (its judge's prompt and mission references). The bounds of
postures leave a band between "no" and "yes" in which a frame says nothing; they were set on the
proportions of a standing, sitting and lying dog and hold for short and long legs alike; what they
say of dogs they were not set on prints `benchmarks/missions.py`.
"""

from __future__ import annotations

from typing import Final

SIT_HOLD_MS: Final = 1_000.0
DOWN_HOLD_MS: Final = 1_000.0
PAW_HAND_MS: Final = 500.0
"""With the hand seen, as the judge's prompt says."""
PAW_STILL_MS: Final = 1_000.0
"""Without: a paw in the air stays still only on something that carries it."""
TURN_DEG: Final = 180.0
TURN_SURE_NO_DEG: Final = 150.0
"""Headings are known to about 15 degrees at either end."""

HIPS_LOW: Final = (0.7, 0.5)
"""Hips over withers: (no, yes) for sitting."""
HIPS_LEVEL: Final = (1.5, 1.25)
"""Hips over withers: (no, yes) for lying; a dog that bows to play has its rump up."""
LEG_STRAIGHT: Final = (0.5, 0.7)
"""Elbow height in leg lengths: (no, yes) for a front leg that carries."""
LEG_FOLDED: Final = (0.6, 0.35)
"""The same for a front leg that lies."""
FORESHORTENED_COS: Final = 0.45
"""With a smaller |cos(heading)| a lying leg may point at the camera: its length is not known."""

PAW_LIFTED: Final = (0.25, 0.45)
PAW_STILL: Final = (0.5, 0.28)
"""Range of the paw's place beside the withers within `PAW_WINDOW_MS`, leg lengths."""
PAW_WINDOW_MS: Final = 170.0
HAND_MARGIN: Final = 0.15
HAND_FAR_LEGS: Final = 0.5

TURN_REVERSAL_DEG: Final = 30.0
TURN_STEP_DEG: Final = 100.0
TURN_DEG_PER_S: Final = 600.0
"""A quick spin takes 0.7 s; what turns faster from frame to frame is a heading that was wrong."""
TURN_GAP_MS: Final = 500.0
TURN_PAUSE_MS: Final = 700.0
TURN_PAUSE_DEG: Final = 15.0
TURN_EDGE_DEG: Final = 12.0
"""Jitter of a resting heading; the turn begins and ends beyond it."""
FACING_COS: Final = 0.5
FACING_AGREES: Final = 0.75

PAW_RISE: Final = (0.03, 0.08)
"""Rise of a paw over its own ground, in withers heights: (no, yes) for off the ground."""
BODY_RISE: Final = (0.04, 0.1)
"""The same for withers and tail base over where they usually are."""
CLEAR_FLIGHT_MS: Final = 180.0
"""What may hide between two frames on the ground without being a clear airborne moment."""
AIRBORNE_MS: Final = (80.0, 1_200.0)
GROUND_WINDOW_MS: Final = 700.0
GROUND_PERCENTILE: Final = 80.0
FALL_HEIGHTS_PER_S2: Final = (6.0, 110.0)
"""Free fall, 9.8 m/s2, for withers of 9 cm to 1.6 m: dogs of any size, and some error."""
FALL_POINTS: Final = 5
FALL_RESIDUAL: Final = (0.05, 0.02)
"""Root mean square distance from the parabola: share of the rise, or withers heights."""

MIN_FRAMES: Final = 6
MIN_CLIP_MS: Final = 500.0
"""Shorter clips cannot hold any criterion."""
