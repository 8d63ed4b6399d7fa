"""Every format is read as it was written; what a format cannot tell is said and tested."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from model_export.datasets.class_folders import read_class_folders, write_class_folders
from model_export.datasets.coco import read_coco, write_coco
from model_export.datasets.deeplabcut import read_deeplabcut, write_deeplabcut
from model_export.datasets.errors import (
    BoxInvalid,
    ClassUnknown,
    DatasetInvalid,
    FlipIndexInvalid,
    FlipIndexMissing,
    FormatInvalid,
    KeypointCountWrong,
)
from model_export.datasets.formats import Format, guess_format, read_dataset, write_dataset
from model_export.datasets.keypoint_schemes import flip_index_of, mirrored_name
from model_export.datasets.masks import read_masks, write_masks
from model_export.datasets.rle import Rle
from model_export.datasets.sample import (
    DOG_24,
    Dataset,
    Instance,
    KeypointScheme,
    Provenance,
    Sample,
)
from model_export.datasets.stanford_extra import read_stanford_extra, write_stanford_extra
from model_export.datasets.yolo import read_yolo, write_yolo
from tests.support.made_dogs import MADE, made_dog, made_dogs

OTHER = Provenance("other", "unstated", research_only=True)
FEW = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def boxes(draw: st.DrawFn, width: int, height: int) -> np.ndarray:
    """A box of half a pixel or more that lies in the picture."""
    x0, y0 = draw(st.floats(0, width - 0.5)), draw(st.floats(0, height - 0.5))
    return np.array([x0, y0, draw(st.floats(x0 + 0.5, width)), draw(st.floats(y0 + 0.5, height))])


@st.composite
def keypoints(draw: st.DrawFn, count: int, width: int, height: int) -> np.ndarray:
    rows = draw(
        st.lists(
            st.tuples(st.floats(0, width), st.floats(0, height), st.integers(0, 2)),
            min_size=count,
            max_size=count,
        )
    )
    points = np.array(rows, dtype=np.float64)
    points[points[:, 2] == 0] = 0
    return points


@st.composite
def datasets(
    draw: st.DrawFn, *, posed: bool = True, most: int = 2, least: int = 0, masks: bool = False
) -> Dataset:
    """A few tiny pictures with instances anywhere in them, of two sources and all parts."""
    samples = []
    for k in range(draw(st.integers(1, 3))):
        width, height = draw(st.integers(8, 40)), draw(st.integers(8, 40))
        instances = []
        for _ in range(draw(st.integers(least, most))):
            box = draw(boxes(width, height))
            points = draw(keypoints(24, width, height)) if posed else None
            mask = None
            if masks:
                drawn = np.zeros((height, width), dtype=bool)
                drawn[draw(st.integers(0, height - 1)) :, draw(st.integers(0, width - 1)) :] = True
                mask = Rle.of_mask(drawn)
                box = mask.box_xyxy_px()
            instances.append(Instance(0, box, points, mask))
        image = np.full((height, width, 3), 10 * k, dtype=np.uint8)
        provenance = draw(st.sampled_from([MADE, OTHER]))
        samples.append(
            Sample(
                f"s{k}",
                image,
                width,
                height,
                replace(provenance, origin=f"{k}.raw"),
                tuple(instances),
                cluster=draw(st.sampled_from(["", f"c{k}"])),
                split=draw(st.sampled_from(["train", "val", "test", None])),
            )
        )
    return Dataset(tuple(samples), ("dog",), (), DOG_24 if posed else None)


def assert_same(told: Dataset, read: Dataset, *, atol: float = 1e-4, boxes: bool = True) -> None:
    """The same samples in any order: labels, size, provenance, part, cluster and pixels."""
    assert told.classes == read.classes
    by_name = {sample.name: sample for sample in read.samples}
    assert set(by_name) == {sample.name for sample in told.samples}
    for sample in told.samples:
        other = by_name[sample.name]
        assert (sample.width_px, sample.height_px) == (other.width_px, other.height_px)
        assert sample.provenance == other.provenance
        assert (sample.split, sample.cluster) == (other.split, other.cluster)
        assert np.array_equal(sample.pixels(), other.pixels())
        assert len(sample.instances) == len(other.instances)
        for mine, theirs in zip(sample.instances, other.instances, strict=True):
            assert mine.class_id == theirs.class_id
            if boxes:
                np.testing.assert_allclose(theirs.box_xyxy_px, mine.box_xyxy_px, atol=atol)
            if mine.keypoints is not None:
                assert theirs.keypoints is not None
                np.testing.assert_allclose(theirs.keypoints, mine.keypoints, atol=atol)


@FEW
@given(datasets())
def test_a_yolo_pose_set_is_read_as_it_was_written(dataset: Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read = read_yolo(write_yolo(dataset, Path(folder)), MADE)
        assert_same(dataset, read)
        assert read.keypoints == DOG_24


@FEW
@given(datasets(posed=False))
def test_a_yolo_detect_set_is_read_as_it_was_written(dataset: Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_same(dataset, read_yolo(write_yolo(dataset, Path(folder)), MADE))


@FEW
@given(datasets(masks=True))
def test_a_coco_set_is_read_as_it_was_written_with_its_masks(dataset: Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read = read_coco(write_coco(dataset, Path(folder)), MADE)
        assert_same(dataset, read)
        assert read.keypoints == DOG_24
        for mine, theirs in zip(dataset.samples, read.samples, strict=True):
            assert [i.mask for i in mine.instances] == [i.mask for i in theirs.instances]


@FEW
@given(datasets(least=1, masks=True))
def test_a_stanford_extra_set_is_read_as_it_was_written(dataset: Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_same(dataset, read_stanford_extra(write_stanford_extra(dataset, Path(folder)), MADE))


@FEW
@given(datasets(most=1, masks=True, posed=False))
def test_a_masked_set_is_read_as_it_was_written(dataset: Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_same(dataset, read_masks(write_masks(dataset, Path(folder)), MADE))


@FEW
@given(datasets(), st.booleans())
def test_a_deeplabcut_table_keeps_where_the_present_points_are(
    dataset: Dataset, several: bool
) -> None:
    if several:
        first = dataset.samples[0]
        one = made_dog(1, width=first.width_px + 60, height=first.height_px + 60)
        dataset = dataset.with_samples(
            [*dataset.samples, replace(one, instances=one.instances * 2)]
        )
    with tempfile.TemporaryDirectory() as folder:
        read = read_deeplabcut(write_deeplabcut(dataset, Path(folder)), MADE)
    by_name = {sample.name: sample for sample in read.samples}
    for sample in dataset.samples:
        posed = [i.keypoints for i in sample.instances if i.keypoints is not None]
        told = [points for points in posed if (points[:, 2] > 0).any()]
        other = by_name[sample.name]
        assert other.provenance == sample.provenance
        assert len(other.instances) == len(told)
        for points, theirs in zip(told, other.instances, strict=True):
            assert theirs.keypoints is not None
            seen = points[:, 2] > 0
            np.testing.assert_array_equal(theirs.keypoints[:, 2] > 0, seen)
            np.testing.assert_allclose(theirs.keypoints[seen, :2], points[seen, :2], atol=1e-9)
            low, high = points[seen, :2].min(axis=0), points[seen, :2].max(axis=0)
            x0, y0, x1, y1 = theirs.box_xyxy_px
            assert x0 <= low[0] + 1e-9 and y0 <= low[1] + 1e-9
            assert x1 >= high[0] - 1e-9 and y1 >= high[1] - 1e-9


@FEW
@given(
    st.lists(st.tuples(st.sampled_from(["happy", "sad"]), st.sampled_from(["train", "val", None])),
             min_size=1, max_size=6)
)  # fmt: skip
def test_class_folders_are_read_as_they_were_written(rows: list[tuple[str, str]]) -> None:
    samples = [
        replace(made_dog(k, split=None, scheme=None), instances=(), label=label, split=split)
        for k, (label, split) in enumerate(rows)
    ]
    dataset = Dataset(tuple(samples), labels=("happy", "sad"))
    with tempfile.TemporaryDirectory() as folder:
        read = read_class_folders(
            write_class_folders(dataset, Path(folder)).parent, MADE, labels=("happy", "sad")
        )
        assert_same(dataset, read)
        told = {s.name: s.label for s in dataset.samples}
        assert {s.name: s.label for s in read.samples} == told
        # Without the table the folders tell the same labels and parts.
        (Path(folder) / "labels.csv").unlink()
        (Path(folder) / "provenance.csv").unlink()
        bare = read_class_folders(Path(folder), MADE)
        expected = sorted((s.label or "", s.split or "") for s in dataset.samples)
        assert sorted((s.label or "", s.split or "") for s in bare.samples) == expected


@FEW
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_run_lengths_give_back_any_mask(height: int, width: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits).reshape(height, width)
    rle = Rle.of_mask(mask)
    assert np.array_equal(rle.mask(), mask)
    assert Rle.of_text(rle.text(), height, width) == rle


def test_run_lengths_are_those_of_pycocotools() -> None:
    # What pycocotools' encode gives for this mask.
    mask = np.zeros((5, 6), dtype=bool)
    mask[1:4, 2:5] = True
    assert Rle.of_mask(mask).counts == (11, 3, 2, 3, 2, 3, 6)
    assert Rle.of_mask(mask).text() == ";320004"


@pytest.mark.parametrize("format_name", ["yolo", "coco", "stanford-extra"])
def test_posed_formats_convert_into_each_other(format_name: Format, tmp_path: Path) -> None:
    told = made_dogs(4, val=1)
    first = write_dataset(told, tmp_path / "a", format_name)
    assert guess_format(first) == format_name == guess_format(tmp_path / "a")
    for other in ("yolo", "coco", "stanford-extra"):
        through = tmp_path / f"b-{other}"
        write_dataset(read_dataset(first, MADE), through, other)
        assert_same(told, read_dataset(through, MADE))


def test_the_written_yaml_swaps_left_and_right(tmp_path: Path) -> None:
    text = write_yolo(made_dogs(2), tmp_path).read_text()
    index = "[6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 15, 14, 16, 17, 19, 18, 21, 20, 22, 23]"
    assert f"flip_idx: {index}\n" in text
    assert "kpt_shape: [24, 3]\n" in text


def test_a_missing_flip_index_fails_and_says_what_to_write(tmp_path: Path) -> None:
    path = write_yolo(made_dogs(2), tmp_path)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("flip_idx")]
    path.write_text("\n".join(lines))
    with pytest.raises(FlipIndexMissing, match=r"add flip_idx: \[6, 7, 8"):
        read_yolo(path, MADE)
    with pytest.warns(UserWarning, match="no flip_idx"):
        read = read_yolo(path, MADE, on_flip_fault="derive")
    assert read.keypoints == DOG_24


def test_an_identity_flip_index_fails(tmp_path: Path) -> None:
    path = write_yolo(made_dogs(2), tmp_path)
    identity = str(list(range(24)))
    text = path.read_text().replace(str(list(DOG_24.flip_index)), identity)
    assert identity in text
    path.write_text(text)
    with pytest.raises(FlipIndexInvalid, match="identity"):
        read_yolo(path, MADE)


def test_the_published_dog_pose_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "data.yaml").write_text(
        "train: images\nval: images\nkpt_shape: [24, 3]\nnames:\n  0: dog\n"
    )
    with pytest.raises(FlipIndexMissing, match="no flip_idx"):
        read_yolo(tmp_path / "data.yaml", MADE)


@given(st.sampled_from(DOG_24.names))
def test_a_name_mirrored_twice_is_itself(name: str) -> None:
    assert mirrored_name(mirrored_name(name)) == name


def test_the_names_tell_the_index_of_dogs_and_of_other_schemes() -> None:
    assert flip_index_of(DOG_24.names) == DOG_24.flip_index
    assert flip_index_of(["L_F_Paw", "Nose", "R_F_Paw"]) == (2, 1, 0)
    assert flip_index_of(["Left ear", "right ear", "Right ear", "left ear"]) == (2, 3, 0, 1)
    with pytest.raises(FlipIndexInvalid, match="right_paw"):
        flip_index_of(["left_paw", "nose"])


def test_a_pose_line_with_too_few_numbers_names_file_and_line(tmp_path: Path) -> None:
    path = write_yolo(made_dogs(1), tmp_path)
    label = next((tmp_path / "labels").rglob("*.txt"))
    label.write_text(label.read_text().rsplit(" ", 3)[0] + "\n")
    with pytest.raises(KeypointCountWrong, match=r"dog0000\.txt:1"):
        read_yolo(path, MADE)


def test_a_label_that_is_no_number_names_file_and_line(tmp_path: Path) -> None:
    path = write_yolo(made_dogs(1), tmp_path)
    label = next((tmp_path / "labels").rglob("*.txt"))
    label.write_text("0 .5 .5 .1 wide\n")
    with pytest.raises(FormatInvalid, match=r"dog0000\.txt:1"):
        read_yolo(path, MADE)


def test_a_two_column_pose_set_takes_zero_for_absent(tmp_path: Path) -> None:
    (tmp_path / "images" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train").mkdir(parents=True)
    Image.new("RGB", (20, 10)).save(tmp_path / "images" / "train" / "a.png")
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 .5 .5 1 1 .25 .5 0 0\n")
    (tmp_path / "data.yaml").write_text(
        "train: images/train\nval: images/train\nkpt_shape: [2, 2]\nflip_idx: [1, 0]\n"
        "names: [dog]\n"
    )
    read = read_yolo(tmp_path / "data.yaml", MADE)
    assert len(read) == 1
    points = read.samples[0].instances[0].keypoints
    assert points is not None and points.tolist() == [[5, 5, 2], [0, 0, 0]]


def test_points_outside_of_the_picture_are_absent_in_yolo(tmp_path: Path) -> None:
    dog = made_dog(3)
    instance = dog.instances[0]
    assert instance.keypoints is not None
    points = instance.keypoints.copy()
    points[0] = (-2.0, 5.0, 1.0)
    points[1] = (5.0, 5.0, 2.0)
    moved = replace(dog, instances=(replace(instance, keypoints=points),))
    read = read_yolo(write_yolo(Dataset((moved,), keypoints=DOG_24), tmp_path), MADE)
    told = read.samples[0].instances[0].keypoints
    assert told is not None
    assert told[0].tolist() == [0, 0, 0]
    assert told[1] == pytest.approx([5, 5, 2], abs=1e-6)


def test_no_writer_takes_a_broken_data_set(tmp_path: Path) -> None:
    dog = made_dog(1)
    wide = replace(dog.instances[0], box_xyxy_px=np.array([0.0, 0.0, 500.0, 20.0]))
    broken = Dataset((replace(dog, instances=(wide,)),), keypoints=DOG_24)
    for at, name in enumerate(("yolo", "coco", "deeplabcut", "stanford-extra", "masks")):
        with pytest.raises(DatasetInvalid) as caught:
            write_dataset(broken, tmp_path / str(at), name)  # type: ignore[arg-type]
        assert isinstance(caught.value.problems[0], BoxInvalid)


def test_a_coco_annotation_without_category_is_refused(tmp_path: Path) -> None:
    path = write_coco(made_dogs(1), tmp_path)
    told = json.loads(path.read_text())
    told["annotations"][0]["category_id"] = 9
    path.write_text(json.dumps(told))
    with pytest.raises(ClassUnknown):
        read_coco(path, MADE)


def test_coco_polygons_become_masks_and_crowds_are_left_out(tmp_path: Path) -> None:
    path = write_coco(made_dogs(1), tmp_path)
    told = json.loads(path.read_text())
    first = told["annotations"][0]
    first["segmentation"] = [[10, 10, 30, 10, 30, 20, 10, 20]]
    told["annotations"].append({**first, "id": 2, "iscrowd": 1})
    path.write_text(json.dumps(told))
    read = read_coco(path, MADE)
    assert len(read.samples[0].instances) == 1
    mask = read.samples[0].instances[0].mask
    assert mask is not None
    np.testing.assert_allclose(mask.box_xyxy_px(), [10, 10, 30, 20], atol=1)


def test_a_deeplabcut_table_of_one_index_column_and_another_scheme_is_read(tmp_path: Path) -> None:
    clip = tmp_path / "labeled-data" / "walk"
    clip.mkdir(parents=True)
    Image.new("RGB", (50, 40)).save(clip / "img001.png")
    (clip / "CollectedData_me.csv").write_text(
        "scorer,me,me,me,me\nbodyparts,left_paw,left_paw,right_paw,right_paw\n"
        "coords,x,y,x,y\nlabeled-data\\walk\\img001.png,10.5,20,,\n"
    )
    read = read_deeplabcut(clip / "CollectedData_me.csv", MADE)
    assert read.keypoints == KeypointScheme(("left_paw", "right_paw"), (1, 0))
    assert read.samples[0].name == "walk_img001"
    points = read.samples[0].instances[0].keypoints
    # The centre of DeepLabCut's pixel (10, 20) is (10.5, 20.5) here.
    assert points is not None and points.tolist() == [[11.0, 20.5, 2.0], [0.0, 0.0, 0.0]]


def test_points_of_a_prediction_table_below_the_cutoff_are_absent(tmp_path: Path) -> None:
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    (tmp_path / "CollectedData_me.csv").write_text(
        "scorer,me,me,me,me,me,me\nbodyparts,nose,nose,nose,chin,chin,chin\n"
        "coords,x,y,likelihood,x,y,likelihood\na.png,1,2,0.9,3,4,0.2\n"
    )
    read = read_deeplabcut(tmp_path / "CollectedData_me.csv", MADE)
    points = read.samples[0].instances[0].keypoints
    assert points is not None and points[:, 2].tolist() == [2, 0]


def test_labels_of_a_kaggle_table_name_files_without_their_folder(tmp_path: Path) -> None:
    for label in ("happy", "sad"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (9, 9)).save(tmp_path / label / f"{label}1.jpg")
    (tmp_path / "labels.csv").write_text("filename,label\nhappy1.jpg,happy\nsad1.jpg,sad\n")
    read = read_class_folders(tmp_path, MADE)
    assert read.labels == ("happy", "sad")
    assert {s.name: s.label for s in read.samples} == {
        "happy_happy1": "happy",
        "sad_sad1": "sad",
    }


def test_garbage_is_refused_by_every_reader(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\x00\xff{]")
    for reader in (read_yolo, read_coco, read_stanford_extra, read_deeplabcut):
        with pytest.raises(FormatInvalid):
            reader(garbage, MADE)
    with pytest.raises(FormatInvalid, match="none of the known formats"):
        guess_format(garbage)
