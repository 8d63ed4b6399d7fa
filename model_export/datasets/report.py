"""What a data set holds: counts, licences, sizes, a contact sheet, as JSON and one HTML page."""

from __future__ import annotations

import base64
import html
import io
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from model_export.datasets.contact_sheet import contact_sheet
from model_export.datasets.errors import DatasetError
from model_export.datasets.sample import ABSENT, SPLITS, Dataset
from model_export.datasets.validate import find_problems

_IMAGE_SIDE_PX: Final = (0, 64, 128, 256, 512, 1024, 2048, 1 << 20)
_BOX_SHARE: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.01)
_SHOWN_PROBLEMS: Final = 50


def summarise(dataset: Dataset) -> dict[str, Any]:
    """Counts, licences, histograms and problems as plain values that JSON can hold."""
    samples = dataset.samples
    instances = [instance for sample in samples for instance in sample.instances]
    problems = find_problems(dataset)
    licences = Counter((s.provenance.source, s.provenance.licence) for s in samples)
    research = {s.provenance.source for s in samples if s.provenance.research_only}
    return {
        "pictures": len(samples),
        "instances": len(instances),
        "pictures_without_instance": sum(not s.instances for s in samples),
        "parts": {split: sum(s.split == split for s in samples) for split in SPLITS},
        "clusters": len({s.cluster or f"\0{k}" for k, s in enumerate(samples)}),
        "classes": _classes(dataset),
        "labels": dict(Counter(s.label for s in samples if s.label is not None)),
        "research_only": dataset.research_only,
        "sources": [
            {"source": source, "licence": licence, "pictures": count,
             "research_only": source in research}
            for (source, licence), count in sorted(licences.items())
        ],
        "image_side_px": _histogram([max(s.width_px, s.height_px) for s in samples],
                                    _IMAGE_SIDE_PX),
        "box_side_share": _histogram(_box_shares(dataset), _BOX_SHARE),
        "keypoints_present": _present(dataset),
        "problems": {
            "count": len(problems),
            "by_code": dict(Counter(problem.code for problem in problems)),
            "first": [f"{problem.code}: {problem}" for problem in problems[:_SHOWN_PROBLEMS]],
        },
    }  # fmt: skip


def write_report(dataset: Dataset, folder: Path, *, tiles: int = 40) -> Path:
    """Write `report.json`, `contact_sheet.png` and `report.html`; returns the page's path.

    Pictures that cannot be read are listed among the problems and left out of the sheet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = summarise(dataset)
    text = json.dumps(told, ensure_ascii=False, indent=2)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    readable = dataset.with_samples([s for s in dataset.samples if _readable(s)])
    buffer = io.BytesIO()
    Image.fromarray(contact_sheet(readable, tiles=tiles)).save(buffer, "PNG")
    (folder / "contact_sheet.png").write_bytes(buffer.getvalue())
    page = folder / "report.html"
    page.write_text(_page(told, buffer.getvalue()), encoding="utf-8")
    return page


def _readable(sample: Any) -> bool:
    try:
        sample.pixels()
    except DatasetError:
        return False
    return True


def _classes(dataset: Dataset) -> dict[str, int]:
    ids = Counter(i.class_id for s in dataset.samples for i in s.instances)
    return {name: ids.get(k, 0) for k, name in enumerate(dataset.classes)}


def _box_shares(dataset: Dataset) -> list[float]:
    """Longer side of each box over the longer side of its picture."""
    return [
        float((i.box_xyxy_px[2:] - i.box_xyxy_px[:2]).max() / max(s.width_px, s.height_px))
        for s in dataset.samples
        for i in s.instances
        if np.isfinite(i.box_xyxy_px).all()
    ]


def _present(dataset: Dataset) -> dict[str, int]:
    """How often each keypoint is there."""
    scheme = dataset.keypoints
    if scheme is None:
        return {}
    total = np.zeros(len(scheme), dtype=np.int64)
    for sample in dataset.samples:
        for instance in sample.instances:
            if instance.keypoints is not None and len(instance.keypoints) == len(scheme):
                total += instance.keypoints[:, 2] > ABSENT
    return dict(zip(scheme.names, total.tolist(), strict=True))


def _histogram(values: list[float] | list[int], edges: tuple[float, ...]) -> dict[str, int]:
    counts, _ = np.histogram(np.asarray(values, dtype=np.float64), bins=np.asarray(edges))
    names = [
        f"{low:g} - {high:g}" if high < edges[-1] else f">= {low:g}"
        for low, high in itertools.pairwise(edges)
    ]
    return dict(zip(names, counts.tolist(), strict=True))


def _page(told: dict[str, Any], sheet_png: bytes) -> str:
    sheet = base64.b64encode(sheet_png).decode()
    yes = "예 (yes)" if told["research_only"] else "아니요 (no)"
    bars = [
        ("부분", "parts", told["parts"]),
        ("클래스", "classes", told["classes"]),
        ("그림 라벨", "picture labels", told["labels"]),
        ("긴 변 (px)", "longer side of the picture", told["image_side_px"]),
        ("박스 / 그림", "box side over picture side", told["box_side_share"]),
        ("키포인트", "keypoints present", told["keypoints_present"]),
    ]
    sources = "".join(
        f"<tr><td>{_e(r['source'])}</td><td>{_e(r['licence'])}</td>"
        f"<td>{'연구용 (research only)' if r['research_only'] else ''}</td>"
        f"<td class=n>{r['pictures']}</td></tr>"
        for r in told["sources"]
    )
    problems = "".join(f"<li>{_e(line)}</li>" for line in told["problems"]["first"])
    return f"""<!doctype html>
<html lang="ko"><meta charset="utf-8"><title>데이터 보고서 (data report)</title>
<style>
body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;
color:#1d2127;background:#fff}}
h2 small,h1 small{{color:#667;font-weight:400;font-size:.7em}}
table{{border-collapse:collapse}}td,th{{padding:.15rem .8rem .15rem 0;text-align:left}}
.n{{text-align:right;font-variant-numeric:tabular-nums}}
.b{{background:#3b7dd8;height:.8em;display:inline-block;border-radius:2px}}
img{{max-width:100%}}.g{{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}}
</style>
<h1>데이터 보고서 <small>data report</small></h1>
<p>사진 {told["pictures"]}장, 개체 {told["instances"]}개, 개체 없는 사진
{told["pictures_without_instance"]}장, 유사 그룹 {told["clusters"]}개. 연구 전용 포함: {yes}<br>
<small>{told["pictures"]} pictures, {told["instances"]} instances,
{told["pictures_without_instance"]} pictures without any, {told["clusters"]} clusters.</small></p>
<h2>출처와 라이선스 <small>sources and licences</small></h2><table>{sources}</table>
<h2>문제 <small>problems: {told["problems"]["count"]}</small></h2><ul>{problems}</ul>
<div class="g">{"".join(_bars(*bar) for bar in bars if bar[2])}</div>
<h2>모아 보기 <small>contact sheet</small></h2>
<img alt="라벨을 그린 사진들 (pictures with their labels)" src="data:image/png;base64,{sheet}">
</html>
"""


def _bars(title: str, english: str, values: dict[str, int]) -> str:
    top = max([1, *values.values()])
    rows = "".join(
        f"<tr><td>{_e(name)}</td><td class=n>{count}</td>"
        f'<td><span class="b" style="width:{8 * count / top:.2f}rem"></span></td></tr>'
        for name, count in values.items()
    )
    return f"<section><h2>{title} <small>{english}</small></h2><table>{rows}</table></section>"


def _e(text: object) -> str:
    return html.escape(str(text))
