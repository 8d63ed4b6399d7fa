"""Each fault that an export can have is put in on purpose, and has to be found.

The hashes are made right again after each change: what is tested is that the numbers tell.
"""

import base64
import json
import shutil
from dataclasses import replace

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")

from edge_sdk.bundle import stage as bundle_stage
from edge_sdk.bundle.golden import dump_golden
from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.bundle.manifest import MANIFEST_NAME, dump, load_manifest
from edge_sdk.errors import (
    BundleFileChanged,
    BundleUnusable,
    GoldenInvalid,
    ManifestInvalid,
)
from edge_sdk.vision import stage as vision_stage
from model_export.bundle.golden import golden_cases, golden_vectors
from model_export.bundle.writer import BundlePlan, StagePlan, write_bundle
from model_export.export.folder import (
    export_net,
    file_entries,
    read_record,
    write_record,
)
from model_export.export.source import load_source
from model_export.parity.inputs import structured_cases
from model_export.parity.reference import TorchReference
from model_export.parity.report import NotVerified, read_parity, write_parity
from model_export.parity.verify import verify_folder
from tests.support.export_nets import (
    change_weights,
    lively_checkpoint,
    lively_source,
    plain_examples,
    rehash,
)

TASKS = {"pose": "pose", "face-detector": "face_detection", "emotion": "emotion"}
STAGES = {"pose": "pose", "face-detector": "detector", "emotion": "classifier"}


class Made:
    """An export folder and a bundle of one net, fresh copies for each test to break."""

    def __init__(self, model, root):
        self.model, self.root = model, root
        self.source = lively_source(model, root)
        self.examples = plain_examples(self.source, root / "cache")
        self.folder = root / model
        export_net(self.source, self.folder, {"onnx": ("fp32",)})
        report = verify_folder(self.folder, self.examples, threads=1)
        assert report.passed, [v.failures for v in report.verdicts]
        write_parity(report)
        self.bundle = root / f"{model}-bundle"
        write_bundle(self.plan(), self.bundle)

    def plan(self):
        return BundlePlan(
            name=f"dog-{self.model}",
            task=TASKS[self.model],
            version="1.0",
            serial=1,
            created_at="2026-11-21T00:00:00+00:00",
            stages=(StagePlan(self.folder, self.examples),),
        )

    def copies(self, tmp_path):
        folder, bundle = tmp_path / "export", tmp_path / "bundle"
        shutil.copytree(self.folder, folder)
        shutil.copytree(self.bundle, bundle)
        return folder, bundle

    def file(self, folder):
        return folder / read_record(self.folder).stage.variants[0].file


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    nets = {}

    def get(model):
        if model not in nets:
            nets[model] = Made(model, tmp_path_factory.mktemp(model))
        return nets[model]

    return get


def rehash_bundle(folder, **changes):
    manifest = load_manifest((folder / MANIFEST_NAME).read_bytes())
    (folder / MANIFEST_NAME).unlink()
    manifest = msgspec.structs.replace(manifest, files=file_entries(folder), **changes)
    (folder / MANIFEST_NAME).write_bytes(dump(manifest))


def change_stage(manifest, **changes):
    return (msgspec.structs.replace(manifest.stages[0], **changes),)


def failures(made, folder):
    report = verify_folder(folder, made.examples, threads=1)
    assert not report.passed
    return [failure for verdict in report.verdicts for failure in verdict.failures]


@pytest.mark.parametrize("model", list(TASKS))
def test_what_is_whole_passes_and_loads(model, made, tmp_path):
    whole = made(model)
    folder, bundle = whole.copies(tmp_path)
    assert verify_folder(folder, whole.examples, threads=1).passed
    with ModelBundle.load(bundle, threads=1) as loaded:
        assert loaded.stage(STAGES[model]).fallbacks == ()


def broken_weight(values):
    values[0] *= 1.5
    return values


def swapped_colours(values):
    return values[:, ::-1]


def permuted_paws(values):
    """Front left and front right paw exchanged in the last layer."""
    values[[0, 6]] = values[[6, 0]]
    return values


FAULTS = {
    "a broken weight": (broken_weight, False, ("pose", "face-detector", "emotion")),
    "swapped colours": (swapped_colours, False, ("pose", "face-detector", "emotion")),
    "a permuted pair of keypoints": (permuted_paws, True, ("pose",)),
}


@pytest.mark.parametrize(
    ("fault", "model"), [(f, m) for f, (_, _, models) in FAULTS.items() for m in models]
)
def test_a_fault_in_the_weights_is_found(fault, model, made, tmp_path):
    whole = made(model)
    folder, bundle = whole.copies(tmp_path)
    change, last, _ = FAULTS[fault]
    for place in (folder, bundle):
        change_weights(whole.file(place), change, last=last)
    rehash(folder)
    rehash_bundle(bundle)
    assert any("raw head" in failure for failure in failures(whole, folder))
    with pytest.raises(BundleUnusable, match="off on golden vector"):
        ModelBundle.load(bundle, threads=1)


SPECIFICATIONS = {
    "another mean": ("emotion", {"mean": (0.485, 0.456, 0.406)}, BundleUnusable),
    "another deviation": ("emotion", {"std": (0.5, 0.5, 0.5)}, BundleUnusable),
    "a tighter crop": ("pose", {"padding": 1.0}, GoldenInvalid),
    "a crop instead of a letterbox": ("face-detector", {"fit": "square_crop"}, GoldenInvalid),
    "a white letterbox": ("face-detector", {"pad_value": 255.0}, GoldenInvalid),
}


@pytest.mark.parametrize("fault", list(SPECIFICATIONS))
def test_a_fault_in_the_specification_is_found(fault, made, tmp_path):
    model, changes, error = SPECIFICATIONS[fault]
    whole = made(model)
    folder, bundle = whole.copies(tmp_path)
    record = read_record(folder)
    changed = msgspec.structs.replace(record.stage.input, **changes)
    stage = msgspec.structs.replace(record.stage, input=changed)
    write_record(folder, msgspec.structs.replace(record, stage=stage))
    report = verify_folder(folder, whole.examples, threads=1)
    assert any(next(iter(changes)) in told for told in report.faults)
    # Not only do the words differ: the numbers do.
    assert any(verdict.failures for verdict in report.verdicts)
    manifest = load_manifest((bundle / MANIFEST_NAME).read_bytes())
    rehash_bundle(bundle, stages=change_stage(manifest, input=changed))
    with pytest.raises(error):
        ModelBundle.load(bundle, threads=1)


def test_a_letterbox_that_the_phone_places_elsewhere_is_found(made, tmp_path, monkeypatch):
    _, bundle = made("face-detector").copies(tmp_path)
    right = vision_stage.letterbox

    def moved(*sizes):
        window = right(*sizes)
        return replace(window, y0_px=window.y0_px + 3)

    monkeypatch.setattr(vision_stage, "letterbox", moved)
    with pytest.raises(GoldenInvalid, match="sampled input"):
        ModelBundle.load(bundle, threads=1)


def test_colours_swapped_on_the_way_in_are_found(made, tmp_path, monkeypatch):
    whole = made("emotion")
    folder, bundle = whole.copies(tmp_path)
    right = bundle_stage.normalise
    swapped = lambda pictures, spec: right(pictures[..., ::-1], spec)  # noqa: E731
    monkeypatch.setattr(bundle_stage, "normalise", swapped)
    assert any("raw head" in failure for failure in failures(whole, folder))
    with pytest.raises(BundleUnusable):
        ModelBundle.load(bundle, threads=1)


def test_a_permuted_mirror_index_is_found(made, tmp_path):
    whole = made("pose")
    _, bundle = whole.copies(tmp_path)
    manifest = load_manifest((bundle / MANIFEST_NAME).read_bytes())
    index = list(manifest.keypoints.flip_index)
    index[0], index[1] = index[1], index[0]
    keypoints = msgspec.structs.replace(manifest.keypoints, flip_index=tuple(index))
    rehash_bundle(bundle, keypoints=keypoints)
    with pytest.raises(ManifestInvalid, match="keypoints"):
        ModelBundle.load(bundle, threads=1)


def test_a_truncated_file_is_found(made, tmp_path):
    whole = made("emotion")
    folder, bundle = whole.copies(tmp_path)
    for place in (folder, bundle):
        file = whole.file(place)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    report = verify_folder(folder, whole.examples, threads=1)
    assert any("missing or changed" in fault for fault in report.faults)
    assert any("does not run" in told for told in failures(whole, folder))
    with pytest.raises(BundleFileChanged):
        ModelBundle.load(bundle, threads=1)
    rehash_bundle(bundle)
    with pytest.raises(BundleUnusable):
        ModelBundle.load(bundle, threads=1)


def test_golden_vectors_of_an_older_net_are_found(made, tmp_path):
    whole = made("emotion")
    _, bundle = whole.copies(tmp_path)
    golden = bundle / "golden" / "classifier.json"
    told = json.loads(golden.read_bytes())
    raw = told["vectors"][0]["raw"]
    values = np.frombuffer(base64.b64decode(raw["data"]), "<f4") * 1.2
    raw["data"] = base64.b64encode(values.astype("<f4").tobytes()).decode()
    golden.write_text(json.dumps(told))
    rehash_bundle(bundle)
    # The result written beside the head no longer follows from it.
    with pytest.raises(GoldenInvalid, match="probabilities"):
        ModelBundle.load(bundle, threads=1)


def test_golden_vectors_made_by_another_net_do_not_let_this_one_pass(made, tmp_path):
    whole = made("emotion")
    _, bundle = whole.copies(tmp_path)
    other = load_source(lively_checkpoint("emotion", tmp_path, seed=77))
    vectors = golden_vectors(
        TorchReference(other), {}, golden_cases(structured_cases(whole.examples[:2]))
    )
    (bundle / "golden" / "classifier.json").write_bytes(dump_golden(vectors))
    rehash_bundle(bundle)
    with pytest.raises(BundleUnusable):
        ModelBundle.load(bundle, threads=1)


def test_a_folder_that_changed_after_it_was_verified_is_not_bundled(made, tmp_path):
    whole = made("emotion")
    folder, _ = whole.copies(tmp_path)
    assert read_parity(folder)
    change_weights(whole.file(folder), broken_weight)
    rehash(folder)
    with pytest.raises(NotVerified, match="changed"):
        read_parity(folder)
    report = verify_folder(folder, whole.examples, threads=1)
    write_parity(report)
    with pytest.raises(NotVerified, match="not passed"):
        read_parity(folder)


def test_a_net_that_answers_nothing_but_zeros_is_found(made, tmp_path):
    whole = made("face-detector")
    folder, _ = whole.copies(tmp_path)

    change_weights(whole.file(folder), np.zeros_like, last=True)
    rehash(folder)
    assert failures(whole, folder)
