"""What a pixel of a generated picture belongs to: part ids, also of what is not dog."""

from __future__ import annotations

from typing import Final

NOTHING: Final = 0

TORSO: Final = 1
CHEST: Final = 2
BELLY: Final = 3
NECK: Final = 4
FORE_LEG: Final = 5
HIND_LEG: Final = 6
PAW: Final = 7
CLAW: Final = 8
TAIL: Final = 9

SKULL: Final = 16
CHEEK: Final = 17
MUZZLE: Final = 18
JAW: Final = 19
LIP: Final = 20
BROW: Final = 21
EYELID: Final = 22
EAR_OUTER: Final = 23
EAR_INNER: Final = 24
EYE_WHITE: Final = 25
IRIS: Final = 26
PUPIL: Final = 27
NOSE: Final = 28
NOSTRIL: Final = 29
MOUTH: Final = 30
TONGUE: Final = 31
TEETH: Final = 32
WRINKLE: Final = 33
GUM: Final = 34
EYE_RIM: Final = 35

COLLAR: Final = 40
LEASH: Final = 41
HARNESS: Final = 42
TAG: Final = 43

PERSON_SKIN: Final = 48
PERSON_SHIRT: Final = 49
PERSON_TROUSERS: Final = 50
PERSON_SHOE: Final = 51
PERSON_HAIR: Final = 52
OBJECT: Final = 56

PART_COUNT: Final = 64

BODY_PARTS: Final = (TORSO, CHEST, BELLY, NECK, FORE_LEG, HIND_LEG, PAW, CLAW, TAIL)
"""The dog without its head."""

HEAD_PARTS: Final = (
    SKULL, CHEEK, MUZZLE, JAW, LIP, BROW, EYELID, EAR_OUTER, EAR_INNER, EYE_WHITE, IRIS, PUPIL,
    NOSE, NOSTRIL, MOUTH, TONGUE, TEETH, WRINKLE, GUM, EYE_RIM,
)  # fmt: skip
"""What the face box encloses."""

DOG_PARTS: Final = BODY_PARTS + HEAD_PARTS
"""What the dog's box encloses; collar and leash are not the dog."""

BARE_PARTS: Final = (
    CLAW, EYE_WHITE, IRIS, PUPIL, NOSE, NOSTRIL, MOUTH, TONGUE, TEETH, GUM, EYE_RIM, COLLAR,
    LEASH, HARNESS, TAG, PERSON_SKIN, PERSON_SHIRT, PERSON_TROUSERS, PERSON_SHOE, OBJECT,
)  # fmt: skip
"""Parts without fur: sharp outlines, no strands."""
