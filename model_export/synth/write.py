"""Generated pictures and clips on disk: sharded arrays with labels, and mp4 films with truth."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_export.synth.clips import ActionClip, WalkClip
from model_export.synth.images import BodyImage, Split, body_image

SHARD_IMAGES = 512
FORMAT = "daengdong-synth/1"


@dataclass(frozen=True)
class Written:
    """What a call wrote: the folder, its files, and how many pictures or clips they hold."""

    folder: Path
    files: tuple[Path, ...]
    count: int


def _label_rows(images: list[BodyImage]) -> dict[str, Any]:
    absent = np.full(4, np.nan, np.float32)

    def boxes(which: str) -> NDArray[np.float32]:
        found = [getattr(i, which) for i in images]
        return np.stack([absent if box is None else box for box in found])

    return {
        "keypoints": np.stack([i.keypoints for i in images]),
        "boxes": boxes("box_xyxy"),
        "face_boxes": boxes("face_box_xyxy"),
        "headings_rad": np.array([i.heading_rad for i in images], np.float32),
        "actions": np.array([i.action for i in images]),
        "breeds": np.array([i.breed for i in images]),
        "has_dog": np.array([i.has_dog for i in images]),
    }


def write_body_images(
    folder: Path, count: int, *, size: int = 256, split: Split = "train", first_seed: int = 0,
    progress: bool = True,
) -> Written:  # fmt: skip
    """Write `count` pictures as shards `images-NNNNN.npy` (N, size, size, 3) uint8, to be mapped
    into memory, with `labels-NNNNN.npz` beside each and `manifest.json`.

    Seeds run from `first_seed`; a missing box is NaN; a second dog is in the picture, not in the
    labels. `progress` shows a bar.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    seeds = range(first_seed, first_seed + count)
    with _bar(progress) as bar:
        task = bar.add_task(f"{split} images", total=count)
        for start in range(0, count, SHARD_IMAGES):
            shard = []
            for seed in seeds[start : start + SHARD_IMAGES]:
                shard.append(body_image(seed, size, split))
                bar.advance(task)
            number = start // SHARD_IMAGES
            images, labels = (
                folder / f"images-{number:05d}.npy",
                folder / f"labels-{number:05d}.npz",
            )
            np.save(images, np.stack([i.image for i in shard]))
            np.savez(labels, **_label_rows(shard))
            files += [images, labels]
    manifest = folder / "manifest.json"
    about = {
        "format": FORMAT, "kind": "body", "split": split, "size_px": size, "count": count,
        "first_seed": first_seed, "shard_images": SHARD_IMAGES,
    }  # fmt: skip
    manifest.write_text(json.dumps(about, indent=2), encoding="utf-8")
    return Written(folder, (*files, manifest), count)


def _bar(visible: bool) -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    return Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        disable=not visible,
    )


def write_clip(folder: Path, clip: WalkClip | ActionClip, name: str | None = None) -> Written:
    """Write `<name>.mp4`, `<name>.npz` (keypoints, boxes, face boxes, headings, contacts,
    timestamps) and `<name>.json` (truth). The film is compressed: pixels are close, not equal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind = "walk" if isinstance(clip, WalkClip) else clip.truth.action.lower()
    stem = name or f"{kind}-{clip.split}-{clip.seed:05d}"
    film = write_mp4(folder / f"{stem}.mp4", clip.frames())
    labels, about = folder / f"{stem}.npz", folder / f"{stem}.json"
    np.savez(
        labels, keypoints=clip.keypoints, boxes=clip.boxes, face_boxes=clip.face_boxes,
        headings_rad=clip.headings_rad, contacts=clip.contacts, timestamps_ms=clip.timestamps_ms,
    )  # fmt: skip
    facts = {
        "format": FORMAT, "kind": kind, "split": clip.split, "seed": clip.seed,
        "breed": clip.film.dog.body.archetype, "withers_m": clip.film.dog.body.withers_m,
        "truth": clip.truth.to_dict(),
    }  # fmt: skip
    about.write_text(json.dumps(facts, indent=2), encoding="utf-8")
    return Written(folder, (film, labels, about), 1)


def write_mp4(
    path: Path, frames: Iterable[tuple[float, NDArray[np.uint8]]], *, quality: int = 18
) -> Path:
    """Encode (timestamp_ms, image) pairs as H.264 with their own times; `quality` is the CRF.

    Odd sides lose a row or column, since the usual colour format halves them. Raises ValueError
    when there is no frame.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    tick = Fraction(1, 90_000)
    stream: Any = None
    with av.open(str(path), "w") as container:
        for timestamp_ms, image in frames:
            height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
            if stream is None:
                stream = container.add_stream("libx264", rate=30)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.time_base = stream.codec_context.time_base = tick
                stream.options = {"crf": str(quality), "preset": "veryfast"}
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(image[:height, :width]), format="rgb24"
            )
            frame.pts, frame.time_base = round(timestamp_ms * 90), tick
            container.mux(stream.encode(frame))
        if stream is None:
            raise ValueError("a film needs at least one frame")
        container.mux(stream.encode(None))
    return path
