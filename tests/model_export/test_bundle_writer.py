"""Bundles are complete, say their terms, repeat to the byte, and keep within the budget."""

import hashlib
import json
import shutil
import zipfile
from dataclasses import asdict, replace

import msgspec
import pytest

torch = pytest.importorskip("torch")

from edge_sdk.bundle.contents import read_folder  # noqa: E402
from edge_sdk.bundle.loader import ModelBundle  # noqa: E402
from edge_sdk.bundle.manifest import Licence  # noqa: E402
from model_export.bundle.card import CardNumbers, model_card, scalars  # noqa: E402
from model_export.bundle.licences import (  # noqa: E402
    LicenceRefused,
    is_embeddable,
    joined,
    licence_text,
    require_embeddable,
)
from model_export.bundle.release import (  # noqa: E402
    BudgetExceeded,
    ReleaseSettings,
    bundle_within_budget,
    folder_bytes,
    make_release,
    usable_kinds,
    verified_nets,
)
from model_export.bundle.writer import (  # noqa: E402
    BundlePlan,
    StagePlan,
    write_bundle,
    write_zip,
)
from model_export.export.folder import export_net, without_variants  # noqa: E402
from model_export.export.precision import ExportFailed  # noqa: E402
from model_export.export.source import load_source  # noqa: E402
from model_export.parity.report import NotVerified, write_parity  # noqa: E402
from model_export.parity.verify import verify_folder  # noqa: E402
from model_export.train.presets import preset  # noqa: E402
from tests.support.export_nets import (  # noqa: E402
    IMAGE_PX,
    lively_checkpoint,
    lively_source,
    plain_examples,
)

CREATED = "2026-11-21T00:00:00+00:00"
APACHE = Licence(spdx="Apache-2.0", notice="ours", research_only=False)
AGPL = Licence(spdx="AGPL-3.0-only", notice="theirs", research_only=False)


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    """An exported and verified pose net, and its examples."""
    root = tmp_path_factory.mktemp("verified")
    source = lively_source("pose", root)
    folder = root / "pose"
    export_net(source, folder, {"onnx": ("fp32", "w8a32")})
    examples = plain_examples(source, root / "cache")
    report = verify_folder(folder, examples, threads=1)
    write_parity(report)
    return folder, examples


def plan(folder, examples, **changes):
    stage = StagePlan(folder, examples, **changes.pop("stage", {}))
    wanted = {
        "name": "dog-pose",
        "task": "pose",
        "version": "2026.11.1",
        "serial": 3,
        "created_at": CREATED,
        "stages": (stage,),
    }
    return BundlePlan(**(wanted | changes))


def test_a_bundle_lists_every_file_and_the_phone_takes_it(verified, tmp_path):
    folder, examples = verified
    manifest = write_bundle(plan(folder, examples), tmp_path / "bundle")
    assert read_folder(tmp_path / "bundle") == manifest
    assert {"MODEL_CARD.md", "LICENSE.txt", "golden/pose.json", "worst_cases.png"} < set(
        manifest.files
    )
    assert manifest.serial == 3 and len(manifest.parity) == 2
    assert all(v.max_abs_error > 0 for v in manifest.stages[0].variants)
    for precision in ("fp32", "w8a32"):
        with ModelBundle.load(tmp_path / "bundle", precision=precision, threads=1) as loaded:
            assert loaded.stage("pose").chosen.precision == precision


def test_the_same_plan_gives_the_same_bytes_as_folder_and_as_zip(verified, tmp_path):
    for name in ("once", "again"):
        write_bundle(plan(*verified), tmp_path / name)
        write_zip(tmp_path / name, tmp_path / f"{name}.zip")
    assert digests(tmp_path / "once") == digests(tmp_path / "again")
    assert (tmp_path / "once.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "once.zip") as archive:
        assert set(archive.namelist()) == set(digests(tmp_path / "once"))
    with ModelBundle.load(tmp_path / "once.zip", threads=1) as loaded:
        assert loaded.manifest.name == "dog-pose"


def test_only_the_variants_asked_for_are_in_the_bundle(verified, tmp_path):
    kinds = {"stage": {"kinds": frozenset({("onnx", "w8a32")})}}
    manifest = write_bundle(plan(*verified, **kinds), tmp_path / "bundle")
    assert [v.file for v in manifest.stages[0].variants] == ["pose-w8a32.onnx"]
    assert [row.precision for row in manifest.parity] == ["w8a32"]
    assert "pose-fp32.onnx" not in manifest.files
    none = {"stage": {"kinds": frozenset({("coreml", "fp16")})}}
    with pytest.raises(ExportFailed, match="none of the variants"):
        write_bundle(plan(*verified, **none), tmp_path / "bundle")
    # The earlier bundle is still there, and nothing lies beside it.
    assert read_folder(tmp_path / "bundle") == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_what_was_never_verified_is_not_bundled(tmp_path):
    source = lively_source("emotion", tmp_path)
    export_net(source, tmp_path / "export", {"onnx": ("fp32",)})
    examples = plain_examples(source, tmp_path / "cache", 4)
    wanted = plan(tmp_path / "export", examples, name="dog-emotion", task="emotion")
    with pytest.raises(NotVerified, match="never verified"):
        write_bundle(wanted, tmp_path / "bundle")


def test_the_card_shows_generated_and_real_numbers_side_by_side(verified, tmp_path):
    real = {"stage": {"real": {"pck05": 0.21, "images": 25}}}
    write_bundle(plan(*verified, **real), tmp_path / "bundle")
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| measure | meaning | generated | real |" in card
    (row,) = (line for line in card.splitlines() if line.startswith("| pck05 |"))
    assert row.endswith("| 0.500 | 0.210 |")
    assert "rear_left_paw 0.20" in card and "Apache-2.0" in card
    assert "(worst_cases.png)" in card and "veterinary diagnosis" in card


def test_each_set_of_real_pictures_has_its_column(verified, tmp_path):
    manifest = write_bundle(plan(*verified), tmp_path / "bundle")
    real = {"posed_dogs": {"pck05": 0.37, "pck10": None}, "breed_photos": {"found": 0.68}}
    card = model_card(manifest, [CardNumbers("pose", {"pck05": 0.81}, real)], [], None)
    assert "| measure | meaning | generated | real: posed dogs | real: breed photos |" in card
    (row,) = (line for line in card.splitlines() if line.startswith("| pck05 |"))
    assert row.endswith("| 0.810 | 0.370 | - |")
    (row,) = (line for line in card.splitlines() if line.startswith("| found |"))
    assert row.endswith("| - | - | 0.680 |")


def test_the_card_says_what_was_not_measured(verified, tmp_path):
    manifest = write_bundle(plan(*verified), tmp_path / "bundle")
    assert "Not measured on real pictures" in model_card(
        manifest, [CardNumbers("pose", {"nme": 0.04})], [], None
    )
    empty = model_card(manifest, [CardNumbers("pose")], [], None)
    assert "No evaluation was recorded" in empty and "No failures were recorded" in empty


def test_numbers_in_depth_become_dotted_names():
    told = {"a": 1, "hind": {"swap_rate": 0.5, "list": [1, 2]}, "ok": True, "word": "x"}
    assert scalars(told) == {"a": 1, "hind.swap_rate": 0.5, "word": "x"}


def test_the_strictest_terms_of_two_nets_hold_for_the_bundle():
    both = joined([APACHE, AGPL])
    assert both.spdx == "AGPL-3.0-only" and both.notice == "ours theirs"
    assert not is_embeddable(both) and is_embeddable(APACHE)
    research = msgspec.structs.replace(APACHE, research_only=True)
    assert joined([APACHE, research]).research_only
    for bound in (both, research):
        with pytest.raises(LicenceRefused, match="dog-x"):
            require_embeddable(bound, "dog-x")
    assert "open its source" in licence_text(AGPL) and "theirs" in licence_text(AGPL)
    assert "Apache License" in licence_text(APACHE)


def test_a_temperature_fitted_after_the_training_is_the_one_that_counts(tmp_path):
    path = lively_checkpoint("emotion", tmp_path)
    assert load_source(path).output.temperature == 1.0
    document = torch.load(path, weights_only=True)
    torch.save(document | {"calibration": {"temperature": 0.7}}, path)
    assert load_source(path).output.temperature == 0.7


def test_pictures_of_unknown_terms_make_the_weights_research_only(tmp_path):
    path = lively_checkpoint("emotion", tmp_path)
    document = torch.load(path, weights_only=True)
    assert not load_source(path).licence.research_only
    document["training"]["data"].append({"name": "photos", "licence": "see the list"})
    torch.save(document, path)
    licence = load_source(path).licence
    assert licence.research_only and "RESEARCH ONLY" in licence.notice


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for model in ("pose", "dog-detector", "face-detector", "emotion"):
        lively_checkpoint(model, folder)
    return folder


def settings(models, tmp_path, **changes):
    """Only ONNX: what is tested is the choice, not the converters."""
    return ReleaseSettings(
        models=models,
        out=tmp_path / "out",
        work=tmp_path / "work",
        cache=tmp_path / "cache",
        version="2026.11.1",
        serial=1,
        created_at=CREATED,
        pictures=10,
        threads=1,
        plans=(frozenset({("onnx", "fp32")}), frozenset({("onnx", "w8a32")})),
        exported={"onnx": ("fp32", "w8a32")},
        renderers={
            "body": "tests.support.plain_dogs:body_image",
            "face": "tests.support.plain_dogs:face_image",
        },
        image_px=IMAGE_PX,
        **changes,
    )


def precisions(report):
    return {v.precision for m in report.manifests for s in m.stages for v in s.variants}


def test_a_release_holds_the_three_bundles_and_takes_the_richest_that_fit(models, tmp_path):
    roomy = settings(models, tmp_path)
    nets = verified_nets(roomy)
    assert set(nets) == {"pose", "dog-detector", "face-detector", "emotion"}
    rich = bundle_within_budget(roomy, nets)
    assert [m.name for m in rich.manifests] == ["dog-face", "dog-emotion", "dog-pose"]
    assert [s.name for s in rich.manifests[2].stages] == ["detector", "pose"]
    assert rich.total_bytes == sum(folder_bytes(roomy.out / m.name) for m in rich.manifests)
    assert precisions(rich) == {"fp32"}
    lean = bundle_within_budget(replace(roomy, budget_bytes=rich.total_bytes - 1), nets)
    assert lean.total_bytes < rich.total_bytes and precisions(lean) == {"w8a32"}
    for manifest in lean.manifests:
        with ModelBundle.load(roomy.out / manifest.name, threads=1) as loaded:
            assert loaded.fallbacks == ()
    with pytest.raises(BudgetExceeded):
        bundle_within_budget(replace(roomy, budget_bytes=1000), nets)


def test_a_net_whose_small_weights_failed_ships_the_next_better_ones(models, tmp_path):
    roomy = settings(models, tmp_path, only=("dog-face",))
    lean = replace(roomy, plans=roomy.plans[1:])
    nets = verified_nets(lean)
    folder = nets["face-detector"].folder
    assert precisions(bundle_within_budget(lean, nets)) == {"w8a32"}
    without_variants(folder, [("onnx", "w8a32")])
    write_parity(verify_folder(folder, nets["face-detector"].examples, threads=1))
    assert precisions(bundle_within_budget(lean, nets)) == {"fp32"}
    with ModelBundle.load(lean.out / "dog-face", threads=1) as loaded:
        assert loaded.fallbacks == ()
    with pytest.raises(ExportFailed, match="no variant for litert of w8a32 or better"):
        usable_kinds(folder, frozenset({("litert", "w8a32")}))


def test_a_release_of_one_bundle_leaves_the_others_and_counts_them(models, tmp_path):
    roomy = settings(models, tmp_path, only=("dog-pose",))
    other = roomy.out / "dog-face"
    other.mkdir(parents=True)
    (other / "manifest.json").write_bytes(b"{}" + b" " * 98)
    nets = verified_nets(roomy)
    assert set(nets) == {"pose", "dog-detector"}
    report = bundle_within_budget(roomy, nets)
    assert [m.name for m in report.manifests] == ["dog-pose"] and report.kept == {"dog-face": 100}
    assert report.total_bytes == folder_bytes(roomy.out / "dog-pose") + 100
    assert (other / "manifest.json").stat().st_size == 100
    tight = replace(roomy, budget_bytes=report.total_bytes - 1)
    assert precisions(bundle_within_budget(tight, nets)) == {"w8a32"}
    with pytest.raises(ExportFailed, match="dog-tail: bundles are dog-face"):
        verified_nets(replace(roomy, only=("dog-tail",)))


def test_a_release_refuses_default_bundles_with_bound_terms(models, tmp_path):
    folder = shutil.copytree(models, tmp_path / "models")
    document = torch.load(folder / "face-detector.pt", weights_only=True)
    document["training"]["data"] = [{"name": "photos", "licence": "CC-BY-NC-4.0", "images": 9}]
    torch.save(document, folder / "face-detector.pt")
    with pytest.raises(LicenceRefused, match="dog-face"):
        make_release(settings(folder, tmp_path))
    # As a bundle of its own beside the default one it is welcome, with its notice.
    (folder / "face-detector.pt").rename(folder / "face-detector-photo.pt")
    (folder / "face-detector.pt").write_bytes((models / "face-detector.pt").read_bytes())
    report = make_release(settings(folder, tmp_path))
    assert [m.name for m in report.manifests][-1] == "dog-face-photo"
    manifest = json.loads((tmp_path / "out" / "dog-face-photo" / "manifest.json").read_bytes())
    assert manifest["licence"]["research_only"]
    assert manifest["stages"][0]["variants"][0]["precision"] == "w8a32"
    golden = json.loads((tmp_path / "out" / "dog-face-photo" / "golden/detector.json").read_bytes())
    assert [vector["sampled"] for vector in golden["vectors"]] == [None, None, None]


def test_one_bundle_is_made_anew_and_the_others_count_for_the_budget(models, tmp_path):
    everything = settings(models, tmp_path)
    first = make_release(everything)
    before = digests(tmp_path / "out" / "dog-pose")
    report = make_release(replace(everything, only=("dog-emotion",), serial=2))
    assert [m.name for m in report.manifests] == ["dog-emotion"]
    assert digests(tmp_path / "out" / "dog-pose") == before
    with pytest.raises(BudgetExceeded):
        lean = first.total_bytes - first.sizes["dog-emotion"]
        make_release(replace(everything, only=("dog-emotion",), budget_bytes=lean))
    with pytest.raises(ExportFailed, match="dog-cat"):
        make_release(replace(everything, only=("dog-cat",)))


def test_the_card_names_the_command_that_trains_the_same_again(models, tmp_path):
    folder = shutil.copytree(models, tmp_path / "models")
    document = torch.load(folder / "emotion.pt", weights_only=True)
    chosen = replace(preset("emotion"), epochs=3, seed=77)
    document["training"] |= {
        "preset": {**asdict(chosen), "classes": list(chosen.classes)},
        "started_from": "/home/somebody/runs/first/model.pt",
    }
    free = {"name": "own faces", "licence": "own", "images": 5, "weight": 0.5}
    document["training"]["data"] = [*document["training"]["data"], free]
    torch.save(document, folder / "emotion.pt")
    make_release(settings(folder, tmp_path, only=("dog-emotion",)))
    card = (tmp_path / "out" / "dog-emotion" / "MODEL_CARD.md").read_text()
    assert (
        "train emotion --out runs/emotion --epochs 3 --seed 77 --extra LIST=0.5 "
        "--start-from FOLDER  # of first/model.pt" in card
    )
    assert "somebody" not in card


def test_a_release_without_a_checkpoint_says_which(tmp_path):
    with pytest.raises(ExportFailed, match=r"face-detector\.pt"):
        make_release(settings(tmp_path, tmp_path))
