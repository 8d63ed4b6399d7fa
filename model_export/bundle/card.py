"""MODEL_CARD.md: what a bundle can do, on generated and on real pictures, and what it cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_sdk.bundle.manifest import Manifest, ParityRow
from model_export.bundle.licences import terms_in_words

MODEL_CARD_NAME = "MODEL_CARD.md"

#: What the numbers of the evaluation mean, for readers who did not write it.
_MEANING = {
    "map50": "mean average precision of the boxes at IoU 0.5",
    "map50_95": "the same, mean over IoU 0.5 to 0.95",
    "recall": "share of the objects that are found at the threshold",
    "precision": "share of the found boxes that are right",
    "false_alarms_per_negative": "boxes found in a picture without a dog",
    "heading_error_p50_deg": "error of the heading, median, degrees",
    "heading_error_p90_deg": "error of the heading, 90th percentile, degrees",
    "faces_right_agreement": "left or right told rightly, side views",
    "pck05": "all labelled keypoints, hidden ones too, within 5 % of the dog's longer side",
    "pck10": "the same within 10 %",
    "pck05_visible": "keypoints in sight within 5 % (people label what they see)",
    "pck10_visible": "keypoints in sight within 10 %",
    "nme": "mean error of a keypoint as a share of the longer side",
    "mirror_difference": "difference between a picture and its mirror image, share of the body",
    "swap_rate": "left and right paw exchanged",
    "collapse_rate": "both paws of a pair on one spot",
    "accuracy": "share of the faces with the right class",
    "macro_f1": "F1, mean over the classes",
    "calibration_error": "expected gap between confidence and accuracy",
    "map50_all": "the same with dogs of whom less than a fifth is in sight",
    "map50_uncovered": "the same also without dogs hidden behind dogs",
    "something_found": "share of the pictures of one dog in which something is found",
    "more_than_one": "share of them in which more than one is found",
    "threshold": "score from which a box counts",
    "best_threshold": "score with the greatest F1 on these very pictures",
    "keypoints": "keypoints compared",
    "frames": "frames in which the pair is apart",
    "detection_rate": "share of the pictures in which the dog is found",
    "images": "pictures",
    "objects": "objects in them",
    "negatives": "pictures without a dog",
}

_PURPOSE = {
    "face_detection": "Finds dogs' faces in a picture, so that an app can crop and judge them.",
    "emotion": "Sorts a dog's face by its expression, as a playful hint to the owner.",
    "pose": "Finds a dog, which way it faces, and its 24 keypoints, to measure how it walks.",
}

_NOT_FOR = {
    "face_detection": "Telling one dog from another, or anything about its owner.",
    "emotion": "Judging how a dog feels or whether it is dangerous. The classes are drawn cues "
    "of ears, eyes and mouth; what a dog feels is not in one picture.",
    "pose": "A veterinary diagnosis. A limp that matters is seen by a vet, not by this net.",
}


@dataclass(frozen=True)
class CardNumbers:
    """Numbers of one stage on generated and on real pictures, as the evaluations wrote them.

    `real`: one set of numbers, or one for each set of pictures by its name. Nested dictionaries
    and lists are welcome; an empty `real` says "not measured" in the card.
    """

    stage: str
    generated: Mapping[str, Any] = field(default_factory=dict)
    real: Mapping[str, Any] = field(default_factory=dict)


def model_card(
    manifest: Manifest,
    numbers: Sequence[CardNumbers],
    reproduce: Sequence[str],
    sheet: str | None,
    attempts: str = "",
) -> str:
    """The card as Markdown.

    `reproduce`: commands that make the bundle again; `sheet`: path of the picture with the worst
    cases, None without one; `attempts`: what was tried and measured, Markdown.
    """
    parts = [
        f"# {manifest.name} {manifest.version}\n\n{_PURPOSE[manifest.task]}\n",
        f"Not for: {_NOT_FOR[manifest.task]}\n",
        _terms(manifest),
        _how_good(numbers),
        _failures(numbers, sheet),
        _variants(manifest),
        _data(manifest),
        *([f"## What was tried\n\n{attempts.strip()}\n"] if attempts.strip() else []),
        "## Make it again\n\n```\n" + "\n".join(reproduce) + "\n```\n",
    ]
    return "\n".join(parts)


def _terms(manifest: Manifest) -> str:
    return f"## Terms\n\n{terms_in_words(manifest.licence)}\n\n{manifest.licence.notice}\n"


def _how_good(numbers: Sequence[CardNumbers]) -> str:
    lines = [
        "## How good it is\n",
        "Generated: held-out breeds, backgrounds and seeds of the generator. Real: photographs.",
        "The first says that the method works, the second for whom.\n",
    ]
    for of_stage in numbers:
        lines.append(f"### {of_stage.stage}\n")
        columns = {"generated": scalars(of_stage.generated)}
        real = {name: scalars(told) for name, told in real_sets(of_stage).items()}
        columns |= real or {"real": {}}
        if not any(columns.values()):
            lines.append("No evaluation was recorded for these weights.\n")
            continue
        lines.append(f"| measure | meaning | {' | '.join(columns)} |")
        lines.append("|---" * (2 + len(columns)) + "|")
        for name in dict.fromkeys(name for told in columns.values() for name in told):
            meaning = _MEANING.get(name.rpartition(".")[2], "")
            cells = [_shown(told.get(name)) for told in columns.values()]
            lines.append(f"| {name} | {meaning} | {' | '.join(cells)} |")
        if not real:
            lines.append("\nNot measured on real pictures: expect less there than the left column.")
        lines.append("")
    return "\n".join(lines)


def real_sets(numbers: CardNumbers) -> dict[str, Mapping[str, Any]]:
    """The numbers on real pictures by column: one for each set of pictures, or a single one."""
    told = numbers.real
    if told and all(isinstance(value, Mapping) for value in told.values()):
        return {f"real: {name.replace('_', ' ')}": value for name, value in told.items()}
    return {"real": told} if told else {}


def scalars(numbers: Mapping[str, Any], prefix: str = "") -> dict[str, float | int | str]:
    """Single numbers and words of a nested dictionary by dotted name; lists are left out."""
    found: dict[str, float | int | str] = {}
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            found |= scalars(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
            found[f"{prefix}{name}"] = value
    return found


def _shown(value: float | int | str | None) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def _failures(numbers: Sequence[CardNumbers], sheet: str | None) -> str:
    lines = ["## Where it fails\n"]
    for of_stage in numbers:
        for where, told in {"generated": of_stage.generated, **real_sets(of_stage)}.items():
            lines += _worst_keypoints(f"{of_stage.stage}, {where}", told)
            lines += _confusion(f"{of_stage.stage}, {where}", told)
    if sheet is not None:
        lines.append(f"The worst of the checked pictures, generated ones:\n\n![worst]({sheet})\n")
    if len(lines) == 1:
        lines.append("No failures were recorded, which does not mean that there are none.\n")
    return "\n".join(lines)


def _worst_keypoints(title: str, told: Mapping[str, Any]) -> list[str]:
    each = told.get("per_keypoint_pck05")
    if not isinstance(each, Mapping) or not each:
        return []
    known = {k: float(v) for k, v in each.items() if v is not None and v == v}
    worst = sorted(known.items(), key=lambda item: item[1])[:5]
    named = ", ".join(f"{name} {value:.2f}" for name, value in worst)
    return [f"Least certain keypoints (PCK@0.05; {title}): {named}.\n"]


def _confusion(title: str, told: Mapping[str, Any]) -> list[str]:
    rows, names = told.get("confusion"), list(dict(told.get("f1") or {}))
    if not rows or len(names) != len(rows):
        return []
    lines = [f"Truth in rows, answer in columns ({title}):\n", f"| | {' | '.join(names)} |"]
    lines.append("|---" * (len(names) + 1) + "|")
    lines += [
        f"| {name} | {' | '.join(str(v) for v in row)} |"
        for name, row in zip(names, rows, strict=True)
    ]
    return [*lines, ""]


def _variants(manifest: Manifest) -> str:
    lines = [
        "## Variants, each against torch\n",
        "Through full pre- and post-processing; positions in px of the net's input.\n",
        "| stage | file | bytes | inputs | raw head | p95 px | same class | metric | change |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows = {(row.stage, row.runtime, row.precision): row for row in manifest.parity}
    for stage in manifest.stages:
        for variant in stage.variants:
            row = rows.get((stage.name, variant.runtime, variant.precision))
            size = sum(
                entry.bytes
                for name, entry in manifest.files.items()
                if name == variant.file or name.startswith(f"{variant.file}/")
            )
            lines.append(f"| {stage.name} | {variant.file} | {size:,} | {_parity_cells(row)} |")
    if any(v.runtime == "coreml" for stage in manifest.stages for v in stage.variants):
        lines.append(
            "\nCore ML: conversion, shapes, types and metadata are checked, and the numbers above "
            "come from computing the package's own program operation by operation. Apple's "
            "runtime is macOS only: no prediction of it has been seen here."
        )
    return "\n".join(lines) + "\n"


def _parity_cells(row: ParityRow | None) -> str:
    if row is None:
        return "not checked | | | | |"
    pixels = "-" if row.p95_px is None else f"{row.p95_px:.3f}"
    agreement = "-" if row.argmax_agreement is None else f"{row.argmax_agreement:.1%}"
    change = "-" if row.metric_change is None else f"{row.metric_change:+.4f}"
    raw = f"{row.max_abs_error:.1e}"
    return f"{row.inputs} | {raw} | {pixels} | {agreement} | {row.metric or '-'} | {change}"


def _data(manifest: Manifest) -> str:
    training = manifest.training
    lines = ["## Trained with\n", "| pictures | number | licence |", "|---|---|---|"]
    lines += [f"| {d.name} | {d.images or '-'} | {d.licence} |" for d in training.data]
    lines.append(f"\nRecipe `{training.recipe}`, seed {training.seed}, {training.minutes:.0f} min.")
    if manifest.calibration is not None:
        c = manifest.calibration
        lines.append(
            f"Calibration: {c.method} on {c.images} held-out pictures, expected error "
            f"{c.ece_before:.3f} before, {c.ece_after:.3f} after."
        )
    return "\n".join(lines) + "\n"
