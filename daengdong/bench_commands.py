"""`daengdong bench pose-models`: two pose bundles compared over videos."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from daengdong.output import fail, print_json, print_table, progress
from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.errors import EdgeError

bench = typer.Typer(no_args_is_help=True, help="Compare models over your own videos.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLUMNS = (
    "video_id", "tag", "model", "t_keypoint_ms", "t_total_ms", "valid_frames", "valid_ratio",
    "mean_kp_conf", "status", "fail_code",
)  # fmt: skip
_SUMMARY = (
    "model", "videos", "failed_share", "t_keypoint_ms_p50", "t_total_ms_p50", "mean_valid_ratio",
    "mean_kp_conf",
)  # fmt: skip


@bench.callback()
def benches() -> None:
    """Compare models over your own videos."""


@bench.command("pose-models")
def pose_models(
    first: Annotated[Path, typer.Argument(help="A pose bundle (folder or zip).")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    videos: Annotated[
        list[Path],
        typer.Option(help="Videos, or folders of them; subfolders (good, hard, fail) are tags."),
    ],
    fps: Annotated[float, typer.Option(help="Frames a second to look at.", min=1, max=60)] = 12.0,
    threads: Annotated[int, typer.Option(help="Threads of the runtime.", min=1)] = 2,
    json: Json = False,
) -> None:
    """Time two pose models over videos: keypoints, whole pipeline, valid frames, confidence."""
    from daengdong.pose_bench import compare, summarise, videos_in

    found = videos_in(videos)
    missing = [str(path) for path, _ in found if not path.is_file()]
    if missing or not found:
        raise fail("no_videos", f"no video: {', '.join(missing) or 'nothing found'}", json)
    with ExitStack() as stack:
        try:
            bundles = [
                (name, stack.enter_context(ModelBundle.load(path, threads=threads)))
                for name, path in zip(_names(first, second), (first, second), strict=True)
            ]
            rows = []
            with progress("pose models", 2 * len(found), quiet=json) as shown:
                for row in compare(bundles, found, fps):
                    rows.append(row)
                    shown(len(rows))
        except EdgeError as error:
            raise fail(error.code, str(error), json) from None
    summary = summarise(rows)
    if json:
        print_json({"fps": fps, "threads": threads, "videos": rows, "models": summary})
        return
    print_table(
        f"{fps:g} frames a second, {threads} threads", _COLUMNS,
        [["" if getattr(row, name) is None else getattr(row, name) for name in _COLUMNS]
         for row in rows],
    )  # fmt: skip
    print_table(
        "by model", _SUMMARY,
        [["-" if getattr(one, name) is None else getattr(one, name) for name in _SUMMARY]
         for one in summary],
    )  # fmt: skip


def _names(first: Path, second: Path) -> tuple[str, str]:
    """How the two are called in the table: by folder, with their places where that is the same."""
    if first.stem != second.stem:
        return first.stem, second.stem
    return f"A:{first.stem}", f"B:{second.stem}"
