"""`daengdong models list|verify|bench`: the bundles of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from daengdong.bundles import SHIPPED, bundles_in, opened
from daengdong.output import console, fail, print_json, print_table, progress
from edge_sdk.bundle.loader import golden_of, open_stage
from edge_sdk.bundle.manifest import Manifest
from edge_sdk.errors import EdgeError

models = typer.Typer(no_args_is_help=True, help="Model bundles: what there is, and what runs.")

Where = Annotated[Path, typer.Argument(help="A bundle, or a folder of bundles.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@models.command("list")
def list_(where: Where = SHIPPED, json: Json = False) -> None:
    """Show each bundle: task, version, nets, size, licence, what it learned from."""
    found = []
    for path in _bundles(where, json):
        try:
            with opened(path) as (_, manifest):
                found.append(_described(path, manifest))
        except EdgeError as error:
            found.append({"path": str(path), "error": f"{error.code}: {error}"})
    if json:
        print_json(found)
        return
    rows = [
        [
            one.get("name", Path(one["path"]).name),
            one.get("task", "-"),
            one.get("version", "-"),
            one.get("nets", one.get("error")),
            f"{one['mib']:.1f}" if "mib" in one else "-",
            one.get("licence", "-"),
        ]
        for one in found
    ]
    print_table(str(where), ("name", "task", "version", "nets", "MiB", "licence"), rows)


@models.command("verify")
def verify(where: Where = SHIPPED, json: Json = False) -> None:
    """Check hashes and golden vectors, and run each variant against them; fails if any is wrong."""
    checked: list[dict[str, Any]] = []
    for path in _bundles(where, json):
        checked.extend(_verified(path))
    wrong = [one for one in checked if one["status"] == "wrong"]
    if json:
        print_json(checked)
    else:
        rows = [[one["bundle"], one["what"], one["status"], one["detail"]] for one in checked]
        print_table(str(where), ("bundle", "what", "status", "detail"), rows)
    if wrong:
        raise typer.Exit(1)


@models.command("bench")
def bench(
    where: Where = SHIPPED,
    threads: Annotated[int, typer.Option(help="Threads of the runtime.")] = 2,
    json: Json = False,
) -> None:
    """Time each variant: p50 and p95 of a picture (3 warm-ups, 20 runs), memory of its process."""
    from daengdong.model_bench import bench as bench_variant

    rows = []
    for path in _bundles(where, json):
        try:
            with opened(path) as (folder, manifest):
                todo = [(s, n) for s in manifest.stages for n in range(len(s.variants))]
                with progress(manifest.name, len(todo), quiet=json) as shown:
                    for done, (stage, number) in enumerate(todo):
                        timed = bench_variant(folder, manifest, stage.name, number, threads)
                        rows.append((manifest.name, timed))
                        shown(done + 1)
        except EdgeError as error:
            raise fail(error.code, str(error), json) from None
    if json:
        print_json([{"bundle": name, "threads": threads, "times": timed} for name, timed in rows])
        return
    print_table(
        f"{threads} threads, one picture at a time",
        ("bundle", "stage", "runtime", "precision", "p50 ms", "p95 ms", "load ms", "RSS MiB", "MiB",
         "error"),
        [
            [name, t.stage, t.runtime, t.precision, t.p50_ms or "-", t.p95_ms or "-",
             t.load_ms or "-", t.rss_mib if t.rss_mib is not None else "-", t.size_mib,
             t.error or ""]
            for name, t in rows
        ],
    )  # fmt: skip
    console.print("RSS: what the process grew by from opening the net to its last run")


def _bundles(where: Path, as_json: bool) -> list[Path]:
    found = bundles_in(where)
    if not found:
        raise fail("bundle_not_found", f"no bundle in {where}", as_json)
    return found


def _described(path: Path, manifest: Manifest) -> dict[str, Any]:
    nets = ", ".join(
        f"{stage.name} ({' '.join(f'{v.runtime}/{v.precision}' for v in stage.variants)})"
        for stage in manifest.stages
    )
    research = ", research only" if manifest.licence.research_only else ""
    return {
        "path": str(path),
        "name": manifest.name,
        "task": manifest.task,
        "version": manifest.version,
        "nets": nets,
        "mib": round(sum(entry.bytes for entry in manifest.files.values()) / 2**20, 2),
        "licence": f"{manifest.licence.spdx}{research}",
        "data": [source.name for source in manifest.training.data],
    }


def _verified(path: Path) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []

    def note(what: str, status: str, detail: str) -> None:
        done.append({"bundle": path.name, "what": what, "status": status, "detail": detail})

    try:
        with opened(path) as (folder, manifest):
            note("files", "right", f"{len(manifest.files)} files have their hashes")
            for stage in manifest.stages:
                golden = golden_of(folder, manifest, stage)
                note(f"{stage.name} golden", "right", f"{len(golden.vectors)} vectors decode alike")
                for variant in stage.variants:
                    what = f"{stage.name} {variant.runtime}/{variant.precision}"
                    try:
                        opened_stage = open_stage(folder, stage, variant, variant.runtime, golden)
                    except EdgeError as error:
                        # A runtime that is not installed here is no fault of the bundle.
                        absent = error.code in ("missing_extra", "runtime_unsupported")
                        note(what, "not here" if absent else "wrong", f"{error.code}: {error}")
                        continue
                    try:
                        worst = opened_stage.self_test(golden, len(golden.vectors))
                        note(what, "right", f"{worst:.2g} off at most")
                    except EdgeError as error:
                        note(what, "wrong", f"{error.code}: {error}")
                    finally:
                        opened_stage.close()
    except EdgeError as error:
        note("bundle", "wrong", f"{error.code}: {error}")
    return done
