"""Generated pictures and films of whole dogs: repeatable, true, and cut at the right places."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba")

from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES
from model_export.synth import parts
from model_export.synth.body import Dog, figure, keypoint_tolerance, observe
from model_export.synth.camera import Camera
from model_export.synth.clips import ActionClip, WalkClip
from model_export.synth.expression import Expression
from model_export.synth.filming import Filming
from model_export.synth.gait import random_gait
from model_export.synth.images import body_image
from model_export.synth.kinematics import GaitPlan
from model_export.synth.outline import boxes_of, seen_share
from model_export.synth.posture import Pose, solve
from model_export.synth.primitives import Primitives
from model_export.synth.raster import rasterise
from model_export.synth.write import write_body_images, write_clip, write_mp4

SIDE = Filming(azimuth_rad=-math.pi / 2, shake=0.0, elevation_rad=0.08)
SWAP = [2, 3, 0, 1]
"""FL, RL, FR, RR seen in a mirror."""


def walking(seed: int) -> tuple[Dog, Pose]:
    rng = np.random.default_rng(seed)
    dog = replace(Dog.random(rng, "train"), collar=0.0)
    gait = random_gait(rng, dog.body, gait="walk")
    pose = GaitPlan.draw(rng, gait, dog.body, 1.0).pose_at(np.array([0.37]))[0]
    return dog, pose.with_(head=[[0.5, -0.1, 0.1]], neck_yaw=[0.2])


def mirrored(pose: Pose) -> Pose:
    flip = np.array((1.0, -1.0, 1.0))
    return pose.with_(
        paws=pose.paws[:, SWAP] * flip,
        pastern=pose.pastern[:, SWAP],
        splay=pose.splay[:, SWAP],
        roll=-pose.roll,
        sway=-pose.sway,
        neck_yaw=-pose.neck_yaw,
        head=pose.head * np.array((-1.0, 1.0, -1.0)),
        tail=pose.tail * np.array((1.0, 1.0, -1.0)),
    )


def test_the_same_seed_gives_the_same_bytes_and_another_another():
    for seed in (3, 4, 5):
        one, two = body_image(seed, 96, "train"), body_image(seed, 96, "train")
        assert one.image.tobytes() == two.image.tobytes()
        assert one.keypoints.tobytes() == two.keypoints.tobytes()
    assert body_image(3, 96).image.tobytes() != body_image(4, 96).image.tobytes()
    assert body_image(3, 96).image.tobytes() != body_image(3, 96, "val").image.tobytes()


def test_labels_of_many_pictures_are_within_their_bounds():
    size, pictures = 96, [body_image(seed, 96, "val") for seed in range(80)]
    dogs = [p for p in pictures if p.has_dog]
    assert 0.02 < 1 - len(dogs) / len(pictures) < 0.3
    for p in pictures:
        assert p.image.shape == (size, size, 3) and p.image.dtype == np.uint8
        assert set(np.unique(p.keypoints[:, 2])) <= {0, 1, 2}
        if not p.has_dog:
            assert p.box_xyxy is None and math.isnan(p.heading_rad) and not p.keypoints.any()
            continue
        x0, y0, x1, y1 = p.box_xyxy
        assert 0 <= x0 < x1 <= size and 0 <= y0 < y1 <= size
        seen = p.keypoints[p.keypoints[:, 2] == 2]
        assert (seen[:, :2] >= (x0 - 4, y0 - 4)).all() and (seen[:, :2] <= (x1 + 4, y1 + 4)).all()
        if p.face_box_xyxy is not None:
            assert p.face_box_xyxy[0] >= x0 - 1e-3 and p.face_box_xyxy[3] <= y1 + 1e-3
    assert len({p.action for p in dogs}) >= 4
    assert len({p.breed for p in dogs}) == 4


def test_the_nose_is_ahead_of_the_tail_as_the_heading_says():
    nose, tail = KEYPOINT_NAMES.index("nose"), KEYPOINT_NAMES.index("tail_start")
    checked = 0
    for seed in range(60):
        p = body_image(seed, 64)
        if p.has_dog and abs(math.cos(p.heading_rad)) > 0.75:
            ahead = p.keypoints[nose, 0] - p.keypoints[tail, 0]
            assert np.sign(ahead) == np.sign(math.cos(p.heading_rad))
            checked += 1
    assert checked > 15


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_mirrored_dog_gives_the_mirrored_picture_with_left_and_right_swapped(seed):
    dog, pose = walking(seed)
    expression = Expression()
    width, height, azimuth = 120, 90, -1.3
    seen = []
    for sign, stance, look in ((1, pose, expression), (-1, mirrored(pose), expression.mirrored())):
        shown = figure(dog, solve(dog.body, stance), look)
        view = Camera(sign * azimuth, 0.1, 5.0, 260.0, (60.0, 50.0), (-0.3, 0.0, 0.5))
        buffer = rasterise(shown.primitives, view, width, height)
        seen.append((observe(shown.keypoints_xyz, keypoint_tolerance(dog), view, buffer), buffer))
    (points, buffer), (other, mirror) = seen
    expected = points[list(FLIP_INDEX)] * (-1, 1, 1) + (width, 0, 0)
    assert np.abs(expected[:, :2] - other[:, :2]).max() < 1e-6
    assert (buffer.part[:, ::-1] == mirror.part).mean() > 0.98
    assert (expected[:, 2] == other[:, 2]).mean() > 0.9


def test_keypoints_lie_on_the_parts_they_name():
    hits: dict[str, list[bool]] = {}
    for seed in range(12):
        dog, pose = walking(seed)
        pose = pose.with_(head=[[-0.2, -0.1, 0.0]], neck_yaw=[0.0])
        shown = figure(dog, solve(dog.body, pose), Expression())
        view = Camera(-1.4, 0.1, 5.0, 500.0, (120.0, 100.0), (-0.3, 0.0, 0.5))
        buffer = rasterise(shown.primitives, view, 240, 200)
        points = observe(shown.keypoints_xyz, keypoint_tolerance(dog), view, buffer)
        for name, (x, y, visible) in zip(KEYPOINT_NAMES, points, strict=True):
            if visible == 2:
                part = buffer.part[int(y), int(x)]
                for key, allowed in (
                    ("front", (parts.FORE_LEG, parts.PAW, parts.CHEST, parts.TORSO)),
                    ("rear", (parts.HIND_LEG, parts.PAW, parts.BELLY, parts.TORSO)),
                    ("right_eye", parts.HEAD_PARTS),
                ):
                    if name.startswith(key) or name.endswith(key):
                        hits.setdefault(name, []).append(part in allowed)
        # On the near side, which is the dog's right, limbs are in sight.
        assert (points[[6, 7, 9, 10], 2] == 2).all()
    shares = {name: (float(np.mean(found)), len(found)) for name, found in hits.items()}
    assert all(share > 0.9 for share, _ in shares.values()), shares


def test_the_far_eye_is_hidden_behind_the_head():
    dog, pose = walking(3)
    pose = pose.with_(head=[[0.0, -0.1, 0.0]], neck_yaw=[0.0])
    shown = figure(dog, solve(dog.body, pose), Expression())
    view = Camera(-math.pi / 2, 0.0, 5.0, 500.0, (120.0, 100.0), (-0.3, 0.0, 0.5))
    buffer = rasterise(shown.primitives, view, 240, 200)
    points = observe(shown.keypoints_xyz, keypoint_tolerance(dog), view, buffer)
    assert points[KEYPOINT_NAMES.index("left_eye"), 2] == 1
    box, face = boxes_of(buffer, 0)
    assert box is not None and face is not None and boxes_of(buffer, 1) == (None, None)


def test_the_share_in_sight_counts_what_stands_before_a_dog_and_the_border():
    dog, pose = walking(3)
    shapes = figure(dog, solve(dog.body, pose), Expression()).primitives
    view = Camera(-math.pi / 2, 0.0, 5.0, 500.0, (160.0, 100.0), (-0.3, 0.0, 0.5))
    free = np.zeros((200, 320), np.bool_)
    alone = rasterise(shapes, view, 320, 200)
    assert seen_share(alone, 0, shapes, view, free) == pytest.approx(1.0, abs=0.06)

    columns = np.flatnonzero((alone.owner == 0).any(0))
    covered = free.copy()
    covered[:, : int(np.median(columns))] = True
    left = np.count_nonzero((alone.owner == 0) & ~covered) / np.count_nonzero(alone.owner == 0)
    assert 0.2 < left < 0.8
    assert seen_share(alone, 0, shapes, view, covered) == pytest.approx(left, abs=0.05)

    cut = replace(view, centre_px=(160.0 - float(np.median(columns)), 100.0))
    beside = seen_share(rasterise(shapes, cut, 320, 200), 0, shapes, cut, free)
    assert beside == pytest.approx(left, abs=0.05)

    nearer = shapes.transformed(translation=(0.0, -0.8, 0.0)).with_owner(1)
    both = rasterise(Primitives.concat([shapes, nearer]), view, 320, 200)
    assert seen_share(both, 0, shapes, view, free) < 0.25
    assert seen_share(both, 1, nearer, view, free) > 0.9


def test_a_dog_of_whom_tufts_show_is_told_hidden_and_one_half_in_sight_is_not():
    behind, beside = body_image(523, 256, "test"), body_image(779, 256, "test")
    assert (behind.hidden, behind.other_hidden) == (False, (True,))
    assert (beside.hidden, beside.other_hidden) == (False, (False,))
    first = body_image(128, 256, "train")
    assert first.hidden and first.has_dog, "somebody stands before the dog"


@pytest.fixture(scope="module")
def clip() -> WalkClip:
    return WalkClip.random(
        1,
        "val",
        fps=20,
        seconds=2.0,
        width=160,
        height=120,
        filming=SIDE,
        severity=0.0,
        gait="walk",
    )


def test_a_clip_gives_every_frame_and_its_labels(clip):
    frames = list(clip.frames())
    assert len(frames) == len(clip) == 40
    assert [t for t, _ in frames] == list(clip.timestamps_ms)
    assert np.all(np.diff(clip.timestamps_ms) > 0)
    assert clip.keypoints.shape == (40, 24, 3) and clip.contacts.shape == (40, 4)
    assert np.allclose(clip.headings_rad, 0.0, atol=0.06)
    boxes = clip.boxes
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= (160, 120)).all()
    again = [image.tobytes() for _, image in clip.frames()]
    assert again == [image.tobytes() for _, image in frames]


def test_the_ground_passes_at_the_speed_of_the_standing_paws(clip):
    scroll = clip.film.path.scroll_px
    assert scroll[-1] > 50
    for limb, row in enumerate((0, 3, 6, 9)):
        both = clip.contacts[1:, limb] & clip.contacts[:-1, limb]
        paw = clip.keypoints[:, row, 0]
        against_ground = np.diff(paw + scroll)[both]
        assert np.abs(against_ground).max() < 0.05 * np.diff(scroll).mean()


def test_a_film_may_be_seen_from_the_other_side():
    left = WalkClip.random(2, "val", fps=10, seconds=1, width=96, height=72,
                           filming=replace(SIDE, azimuth_rad=math.pi / 2))  # fmt: skip
    assert np.allclose(np.cos(left.headings_rad), -1, atol=0.01)
    assert left.film.path.scroll_px[-1] < -10
    assert (left.keypoints[:, 16, 0] < left.keypoints[:, 12, 0]).all()


def test_an_action_clip_shows_what_it_says():
    lying = ActionClip.random(
        4, "DOWN", "test", fps=8, seconds=3, width=96, height=72, filming=SIDE
    )
    heights = lying.boxes[:, 3] - lying.boxes[:, 1]
    assert heights[-1] < 0.75 * heights[0]
    assert lying.truth.action == "DOWN" and lying.truth.intervals[-1].label == "DOWN"
    turn = ActionClip.random(5, "TURN", "test", fps=8, seconds=4, width=96, height=72, filming=SIDE)
    turned = np.degrees(np.unwrap(turn.headings_rad)[-1] - turn.headings_rad[0])
    assert abs(turned) == pytest.approx(abs(turn.truth.turned_deg), abs=5)


def test_a_long_exposure_smears_the_moving_limbs():
    sharp = WalkClip.random(6, "val", fps=8, seconds=0.5, width=96, height=72, filming=SIDE)
    smeared = WalkClip.random(
        6, "val", fps=8, seconds=0.5, width=96, height=72, filming=replace(SIDE, exposure=0.5)
    )
    one, two = (
        np.stack([image for _, image in c.frames()]).astype(float) for c in (sharp, smeared)
    )
    assert one.shape == two.shape and np.abs(one - two).mean() > 0.5


def test_pictures_and_films_are_written_with_their_truth(tmp_path, clip):
    av = pytest.importorskip("av")
    written = write_body_images(tmp_path / "images", 5, size=48, split="val", progress=False)
    stored = np.load(written.files[0], mmap_mode="r")
    labels = np.load(written.files[1])
    assert stored.shape == (5, 48, 48, 3) and labels["keypoints"].shape == (5, 24, 3)
    assert np.array_equal(stored[2], body_image(2, 48, "val").image)
    film, arrays, truth = write_clip(tmp_path / "clips", clip).files
    with av.open(str(film)) as container:
        times = [1000 * float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert np.allclose(times, clip.timestamps_ms, atol=0.1)
    assert np.load(arrays)["keypoints"].shape == (40, 24, 3)
    assert json.loads(truth.read_text())["truth"]["stride_hz"] == clip.truth.stride_hz
    with pytest.raises(ValueError, match="at least one frame"):
        write_mp4(tmp_path / "empty.mp4", [])
