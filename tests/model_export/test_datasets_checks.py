"""Validation names each fault; clusters and splits never let near-duplicates apart."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model_export.datasets.clusters import (
    MAX_DISTANCE_BITS,
    UnionFind,
    cluster_dataset,
    difference_hash,
    near_pairs,
)
from model_export.datasets.contact_sheet import contact_sheet, draw_sample
from model_export.datasets.errors import (
    BoxInvalid,
    ClassUnknown,
    DatasetError,
    FlipIndexInvalid,
    ImageBroken,
    ImageMissing,
    KeypointCountWrong,
    NameInvalid,
    NotANumber,
    SchemesDiffer,
    SplitLeaks,
    VisibilityInvalid,
)
from model_export.datasets.merge import merge
from model_export.datasets.paste import PasteSettings, paste_dog
from model_export.datasets.picture_list import write_picture_list
from model_export.datasets.report import summarise, write_report
from model_export.datasets.sample import (
    DOG_24,
    Dataset,
    Instance,
    KeypointScheme,
    Provenance,
    Sample,
    read_image,
)
from model_export.datasets.split import require_no_leaks, split_dataset
from model_export.datasets.validate import find_problems, require_valid
from model_export.train.real import RealPictures
from tests.support.made_dogs import MADE, made_dog, made_dogs, on_disk, textured

FEW = settings(max_examples=25, deadline=None)


def _with(sample: Sample, **change: object) -> Sample:
    instance = replace(sample.instances[0], **change)  # type: ignore[arg-type]
    return replace(sample, instances=(instance,))


def _points(column: int, value: float) -> Callable[[Sample], Sample]:
    def change(sample: Sample) -> Sample:
        points = np.full((24, 3), 2.0)
        points[3, column] = value
        return _with(sample, keypoints=points)

    return change


FAULTS: list[tuple[type[DatasetError], Callable[[Sample], Sample]]] = [
    (BoxInvalid, lambda s: _with(s, box_xyxy_px=np.array([-9.0, 0, 20, 20]))),
    (BoxInvalid, lambda s: _with(s, box_xyxy_px=np.array([0.0, 0, 20, 99]))),
    (BoxInvalid, lambda s: _with(s, box_xyxy_px=np.array([20.0, 5, 20, 30]))),
    (NotANumber, lambda s: _with(s, box_xyxy_px=np.array([0.0, 0, np.nan, 20]))),
    (NotANumber, _points(0, np.inf)),
    (VisibilityInvalid, _points(2, 3.0)),
    (VisibilityInvalid, _points(2, np.nan)),
    (ClassUnknown, lambda s: _with(s, class_id=1)),
    (ClassUnknown, lambda s: _with(s, class_id=-1)),
    (ClassUnknown, lambda s: replace(s, label="bored")),
    (KeypointCountWrong, lambda s: _with(s, keypoints=np.zeros((20, 3)))),
    (NameInvalid, lambda s: replace(s, name="../up")),
    (NameInvalid, lambda s: replace(s, name="DOG0001")),
    (ImageMissing, lambda s: replace(s, image=Path("/nowhere/a.png"))),
    (ImageBroken, lambda s: replace(s, width_px=s.width_px + 4)),
]


@pytest.mark.parametrize(("error", "spoil"), FAULTS)
def test_each_fault_is_found_alone(
    error: type[DatasetError], spoil: Callable[[Sample], Sample]
) -> None:
    dataset = made_dogs(3)
    assert find_problems(dataset) == ()
    samples = [spoil(dataset.samples[0]), *dataset.samples[1:]]
    problems = find_problems(dataset.with_samples(samples))
    assert [type(problem) for problem in problems] == [error]


def test_all_problems_come_at_once() -> None:
    dataset = made_dogs(6)
    samples = [_with(s, class_id=7) for s in dataset.samples]
    with pytest.raises(DatasetError, match="and 1 more") as caught:
        require_valid(dataset.with_samples(samples))
    assert len(caught.value.problems) == 6  # type: ignore[attr-defined]


def test_truncated_pictures_are_found(tmp_path: Path) -> None:
    dataset = made_dogs(2)
    buffer = io.BytesIO()
    Image.fromarray(dataset.samples[0].pixels()).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[:-200])
    cut = replace(dataset.samples[0], image=tmp_path / "cut.jpg")
    problems = find_problems(dataset.with_samples([cut]))
    assert [type(problem) for problem in problems] == [ImageBroken]
    # The header alone is whole: without decoding nothing shows.
    assert find_problems(dataset.with_samples([cut]), read_images=False) == ()


def test_a_scheme_that_scrambles_sides_is_a_problem() -> None:
    identity = KeypointScheme(DOG_24.names, tuple(range(24)))
    problems = find_problems(replace(made_dogs(1), keypoints=identity))
    assert [type(problem) for problem in problems] == [FlipIndexInvalid]


def test_a_turned_photo_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(textured(1, 40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (40, 20, 3)


def test_copies_share_a_cluster_and_other_pictures_do_not() -> None:
    dataset = made_dogs(12)
    first = dataset.samples[0]
    pixels = textured(99, 160, 120)
    small = np.asarray(Image.fromarray(pixels).resize((80, 60), Image.Resampling.LANCZOS))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=50)
    compressed = np.asarray(Image.open(buffer))
    copies = [
        replace(first, name=f"copy{k}", image=image, instances=(),
                width_px=image.shape[1], height_px=image.shape[0])
        for k, image in enumerate((pixels, small, compressed, pixels[:, ::-1].copy()))
    ]  # fmt: skip
    clustered = cluster_dataset(dataset.with_samples([*dataset.samples, *copies]))
    sizes = Counter(sample.cluster for sample in clustered.samples)
    assert sizes.pop("copy0") == 4
    assert set(sizes.values()) == {1}


def test_samples_of_one_cluster_stay_together_however_they_look() -> None:
    samples = [replace(s, cluster="clip7") for s in made_dogs(4).samples]
    clustered = cluster_dataset(made_dogs(4).with_samples(samples))
    assert {sample.cluster for sample in clustered.samples} == {"dog0000"}


@FEW
@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=2), st.integers(0, 40))
def test_near_pairs_counts_bits(words: list[int], flips: int) -> None:
    one = np.array([words], dtype=np.uint64)
    bits = np.unpackbits(one.view(np.uint8))
    bits[:flips] ^= 1
    other = np.packbits(bits).view(np.uint64)[None]
    assert len(near_pairs(one, other)) == int(flips <= MAX_DISTANCE_BITS)


def test_a_hash_sees_shape_and_not_size() -> None:
    picture = textured(5, 200, 160)
    half = np.asarray(Image.fromarray(picture).resize((100, 80), Image.Resampling.BOX))
    same = np.bitwise_count(difference_hash(picture) ^ difference_hash(half)).sum()
    other = np.bitwise_count(difference_hash(picture) ^ difference_hash(textured(6))).sum()
    assert same <= 8 < MAX_DISTANCE_BITS < other


@FEW
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_joined_members_have_one_root(pairs: list[tuple[int, int]]) -> None:
    union = UnionFind(10)
    for a, b in pairs:
        union.join(a, b)
    groups = union.groups()
    assert all(groups[a] == groups[b] for a, b in pairs)
    assert all(groups[root] == root for root in groups)
    # Every member is reached by the pairs alone.
    assert len(set(groups)) >= 10 - len(pairs)


def _bare(rows: list[tuple[int, int, int]]) -> Dataset:
    image = np.zeros((4, 4, 3), np.uint8)
    return Dataset(
        tuple(
            Sample(
                f"s{k}",
                image,
                4,
                4,
                Provenance(f"source{source}", "x"),
                label=f"label{label}",
                cluster=f"c{cluster}" if cluster else "",
            )
            for k, (source, cluster, label) in enumerate(rows)
        ),
        labels=("label0", "label1"),
    )


ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 1)), min_size=1, max_size=40
)


@FEW
@given(ROWS, st.integers(0, 5))
def test_no_cluster_and_no_source_is_ever_split(
    rows: list[tuple[int, int, int]], seed: int
) -> None:
    dataset = _bare(rows)
    by_cluster = split_dataset(dataset, seed=seed)
    require_no_leaks(by_cluster)
    assert all(sample.split for sample in by_cluster.samples)
    by_source = split_dataset(dataset, unit="source", seed=seed)
    require_no_leaks(by_source, unit="source")
    require_no_leaks(by_source)
    again = split_dataset(dataset, seed=seed)
    assert [s.split for s in again.samples] == [s.split for s in by_cluster.samples]


def test_a_split_keeps_its_shares_in_each_source_and_label() -> None:
    dataset = _bare([(k % 2, 0, k // 2 % 2) for k in range(400)])
    parts = split_dataset(dataset, {"train": 0.7, "val": 0.15, "test": 0.15})
    counts = Counter((s.provenance.source, s.label, s.split) for s in parts.samples)
    for source in ("source0", "source1"):
        for label in ("label0", "label1"):
            told = [counts[source, label, part] for part in ("train", "val", "test")]
            assert told == [70, 15, 15]


def test_a_leak_is_told() -> None:
    dataset = _bare([(0, 1, 0), (0, 1, 0)])
    leaking = dataset.with_samples(
        [replace(s, split=part) for s, part in zip(dataset.samples, ("train", "val"), strict=True)]  # type: ignore[arg-type]
    )
    with pytest.raises(SplitLeaks, match="train and val"):
        require_no_leaks(leaking)
    assert [type(problem) for problem in find_problems(leaking)] == [SplitLeaks]


def test_merging_keeps_provenance_and_renames_what_collides() -> None:
    other = Provenance("other", "unstated", research_only=True)
    a, b = made_dogs(2), made_dogs(2)
    b = b.with_samples([replace(s, provenance=other) for s in b.samples])
    both = merge([a, b])
    assert [s.name for s in both.samples] == [
        "made-dog0000", "made-dog0001", "other-dog0000", "other-dog0001",
    ]  # fmt: skip
    assert [s.provenance for s in both.samples] == [MADE, MADE, other, other]
    assert both.research_only and not a.research_only
    assert find_problems(both) == ()


def test_merging_keeps_equal_cluster_names_of_different_sets_apart() -> None:
    a = made_dogs(2)
    a = a.with_samples([replace(s, cluster="1") for s in a.samples])
    both = merge([a, a])
    assert [s.cluster for s in both.samples] == ["1#1", "1#1", "1#2", "1#2"]


def test_merging_maps_classes_and_keypoints_by_name() -> None:
    scheme = KeypointScheme(("nose", "rear_right_paw", "rear_left_paw"), (0, 2, 1))
    few = Dataset((made_dog(5, scheme=scheme),), ("cat", "dog"), (), scheme)
    few = few.with_samples([_with(few.samples[0], class_id=1)])
    both = merge([made_dogs(1), few])
    assert both.classes == ("dog", "cat")
    moved, told = both.samples[1].instances[0], few.samples[0].instances[0]
    assert moved.class_id == 0
    assert moved.keypoints is not None and told.keypoints is not None
    at = [DOG_24.names.index(name) for name in scheme.names]
    np.testing.assert_array_equal(moved.keypoints[at], told.keypoints)
    assert (np.delete(moved.keypoints, at, axis=0) == 0).all()
    only_cats = merge([few], classes=("cat",))
    assert only_cats.samples[0].instances == ()


def test_merging_refuses_schemes_without_a_common_name_and_unknown_classes() -> None:
    scheme = KeypointScheme(("wing",), (0,))
    birds = Dataset((made_dog(5, scheme=scheme),), ("dog",), (), scheme)
    with pytest.raises(SchemesDiffer):
        merge([made_dogs(1), birds])
    with pytest.raises(ClassUnknown):
        merge([Dataset((_with(made_dog(1), class_id=3),), keypoints=DOG_24)])


@pytest.mark.parametrize("seed", range(12))
def test_a_pasted_dog_is_where_its_labels_are(seed: int) -> None:
    dog = made_dog(seed)
    scene = np.full((120, 150, 3), 40, np.uint8)
    background = Sample("street", scene, 150, 120, Provenance("street", "CC0"))
    pasted = paste_dog(dog, background, seed, scheme=DOG_24, settings=PasteSettings(adapt=0.0))
    dataset = Dataset((pasted,), keypoints=DOG_24)
    assert find_problems(dataset) == ()
    instance = pasted.instances[-1]
    assert instance.mask is not None and instance.keypoints is not None
    bright = pasted.pixels()[..., 0] > 140
    assert (bright == instance.mask.mask()).mean() > 0.99
    np.testing.assert_allclose(instance.box_xyxy_px, instance.mask.box_xyxy_px())
    x, y, there = instance.keypoints.T
    x0, y0, x1, y1 = instance.box_xyxy_px
    seen = there > 0
    assert seen.any()
    # Cut at the picture's edge, the box is smaller than the dog, its points absent.
    assert (x[seen] > x0 - 2).all() and (x[seen] < x1 + 2).all()
    assert (y[seen] > y0 - 2).all() and (y[seen] < y1 + 2).all()
    assert "street" in pasted.provenance.source and "CC0" in pasted.provenance.licence


def test_a_mirrored_pasted_dog_swaps_its_sides() -> None:
    points = np.zeros((24, 3))
    dog = made_dog(3)
    assert dog.instances[0].mask is not None
    x0, y0, x1, y1 = dog.instances[0].mask.box_xyxy_px()
    left, right = DOG_24.names.index("rear_left_paw"), DOG_24.names.index("rear_right_paw")
    points[left] = (x0 + 2, (y0 + y1) / 2, 2)
    points[right] = (x1 - 2, (y0 + y1) / 2, 2)
    dog = _with(dog, keypoints=points)
    background = Sample("b", np.zeros((200, 300, 3), np.uint8), 300, 200, MADE)
    whole = PasteSettings(height_share=(0.5, 0.5), inside_share=1.0)
    orders = set()
    for seed in range(12):
        told = paste_dog(dog, background, seed, scheme=DOG_24, settings=whole).instances[-1]
        assert told.keypoints is not None
        orders.add(bool(told.keypoints[left, 0] < told.keypoints[right, 0]))
    # A mirror swaps names and places: the left paw stays on the left of the picture.
    assert orders == {True}
    with pytest.raises(DatasetError, match="scheme"):
        paste_dog(dog, background, 0)


def test_a_dog_over_another_label_hides_it() -> None:
    small = Instance(0, np.array([70.0, 50, 80, 60]))
    background = Sample("b", np.zeros((120, 150, 3), np.uint8), 150, 120, MADE, (small,))
    huge = PasteSettings(height_share=(1.2, 1.2), inside_share=0.9, mirror=False)
    pasted = paste_dog(made_dog(2), background, 1, settings=huge)
    assert len(pasted.instances) == 1


def test_a_report_counts_licences_and_problems(tmp_path: Path) -> None:
    dataset = made_dogs(5, val=2)
    other = Provenance("other", "unstated & research", research_only=True)
    broken = _with(replace(made_dog(77), provenance=other), class_id=4)
    dataset = dataset.with_samples([*dataset.samples, broken])
    told = summarise(dataset)
    assert told["pictures"] == 6 and told["instances"] == 6
    assert told["parts"] == {"train": 4, "val": 2, "test": 0}
    assert told["research_only"] is True
    assert told["problems"]["by_code"] == {"dataset_class_unknown": 1}
    assert sum(told["image_side_px"].values()) == 6 == sum(told["box_side_share"].values())
    assert told["keypoints_present"]["nose"] <= 6
    page = write_report(dataset, tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    assert "unstated &amp; research" in text and "dataset_class_unknown" in text
    assert (tmp_path / "report" / "contact_sheet.png").stat().st_size > 1000


def test_a_contact_sheet_draws_the_labels() -> None:
    sample = made_dog(4)
    bare = replace(sample, instances=())
    plain, drawn = draw_sample(bare, DOG_24, 200), draw_sample(sample, DOG_24, 200)
    assert (plain != drawn).any(axis=2).mean() > 0.01
    # An empty data set has a sheet too.
    assert contact_sheet(Dataset(())).shape[2] == 3


def test_a_picture_list_gives_the_recipes_the_same_labels(tmp_path: Path) -> None:
    dataset = on_disk(made_dogs(3), tmp_path / "pictures")
    path = write_picture_list(dataset, tmp_path / "list")
    posed = RealPictures.open(path, "pose")
    finding = RealPictures.open(path, "dog-detector")
    assert len(posed) == len(finding) == 3
    assert len(RealPictures.open(path, "face-detector")) == 0
    for at, sample in enumerate(dataset.samples):
        example = posed.example(at)
        np.testing.assert_array_equal(example.image, sample.pixels())
        np.testing.assert_allclose(example.dog_boxes[0], sample.instances[0].box_xyxy_px, atol=1e-3)
        np.testing.assert_allclose(example.keypoints, sample.instances[0].keypoints, atol=1e-3)


def test_a_picture_list_of_emotions_takes_the_whole_picture_for_the_face(tmp_path: Path) -> None:
    bare = replace(made_dog(1, scheme=None), instances=(), label="sad")
    path = write_picture_list(Dataset((bare,), labels=("happy", "sad")), tmp_path)
    examples = RealPictures.open(path, "emotion")
    assert len(examples) == 1
    assert examples.example(0).emotion == 1
    assert examples.example(0).face_boxes.tolist() == [[0, 0, 96, 80]]
