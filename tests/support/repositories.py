"""A published repository with all its private keys, for the tests that attack it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from edge_sdk.bundle.manifest import (
    CentreOutput,
    FileEntry,
    InputSpec,
    Licence,
    Manifest,
    Stage,
    Training,
    Variant,
    dump,
)
from edge_sdk.update.metadata import ROLES, Envelope, FileInfo, Role, Root
from model_export.publish import repository
from model_export.publish.keys import SigningKey, signed_by

NOW_MS = 1_795_000_000_000
FILES = {"MODEL_CARD.md": b"# card\n", "golden.json": b"{}", "net.onnx": b"not a net"}


def bundle_zip(name: str, serial: int) -> bytes:
    """A zip whose manifest is complete; its net is no net (the self-test is the test's own)."""
    stage = Stage(
        name="detector",
        input=InputSpec(
            width=64,
            height=64,
            channels=3,
            dtype="float32",
            colour="RGB",
            fit="letterbox",
            padding=1.0,
            pad_value=114.0,
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            resample="box-then-bilinear/1",
        ),
        output=CentreOutput(stride=8, heading=False, classes=("dog_face",)),
        variants=(
            Variant(
                runtime="onnx",
                precision="fp32",
                file="net.onnx",
                layout="NCHW",
                input_name="x",
                output_name="y",
                batch=1,
                max_abs_error=1e-3,
            ),
        ),
        golden="golden.json",
    )
    manifest = Manifest(
        format="daengdong-bundle/1",
        name=name,
        task="face_detection",
        version=f"2026.11.{serial}",
        serial=serial,
        created_at="2026-11-21T00:00:00+00:00",
        stages=(stage,),
        keypoints=None,
        thresholds={"score": 0.4, "nms_iou": 0.5},
        training=Training(data=(), recipe="none", seed=0, minutes=0.0),
        licence=Licence(spdx="Apache-2.0", notice="", research_only=False),
        calibration=None,
        parity=(),
        model_card="MODEL_CARD.md",
        files={
            path: FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
            for path, data in FILES.items()
        },
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", dump(manifest))
        for path, data in FILES.items():
            archive.writestr(path, data)
    return buffer.getvalue()


def new_keys(count: int = 1) -> dict[Role, list[SigningKey]]:
    """Fresh keys for every role, `count` each."""
    return {role: [SigningKey.create() for _ in range(count)] for role in ROLES}


@dataclass
class Repository:
    """A folder with everything an honest publisher has, and what an attacker may do to it."""

    folder: Path
    keys: dict[Role, list[SigningKey]]
    root: bytes
    bundles: dict[tuple[str, int], bytes] = field(default_factory=dict)

    @classmethod
    def create(
        cls, folder: Path, keys: dict[Role, list[SigningKey]] | None = None, **thresholds: int
    ) -> Repository:
        keys = keys or new_keys()
        return cls(folder, keys, repository.create(folder, keys, thresholds, NOW_MS))  # type: ignore[arg-type]

    def publish(self, name: str, serial: int, now_ms: int = NOW_MS) -> None:
        data = self.bundles[name, serial] = bundle_zip(name, serial)
        path = self.folder.parent / f"{name}-{serial}.zip"
        path.write_bytes(data)
        repository.publish(self.folder, [path], self.keys, now_ms)

    def snapshot_of_files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def put_back(self, files: dict[str, bytes], *names: str) -> None:
        for name in names or files:
            (self.folder / name).write_bytes(files[name])

    def newest(self, role: str) -> str:
        if role == "timestamp":
            return "timestamp.json"
        return max(
            (path.name for path in self.folder.glob(f"*.{role}.json")),
            key=lambda name: int(name.split(".")[0]),
        )

    def body(self, role: str) -> dict[str, Any]:
        """The signed part of a role's newest file, as plain JSON."""
        envelope = msgspec.json.decode(
            (self.folder / self.newest(role)).read_bytes(), type=Envelope
        )
        body: dict[str, Any] = msgspec.json.decode(envelope.signed)
        return body

    def forge(
        self,
        role: Role,
        change: Callable[[dict[str, Any]], None],
        signers: list[SigningKey] | None = None,
        *,
        repin: bool = True,
    ) -> None:
        """Change a role's newest file, sign it, and (with `repin`) sign what pins it anew."""
        body = self.body(role)
        change(body)
        data = envelope_bytes(body, signers if signers is not None else self.keys[role])
        (self.folder / self.newest(role)).write_bytes(data)
        above = {"targets": "snapshot", "snapshot": "timestamp"}.get(role)
        if repin and above is not None:
            info = FileInfo(body["version"], len(data), hashlib.sha256(data).hexdigest())
            self.forge(above, lambda b: b.__setitem__(role, msgspec.to_builtins(info)))  # type: ignore[arg-type]

    def trusted_root(self) -> Root:
        envelope = msgspec.json.decode(self.root, type=Envelope)
        return msgspec.json.decode(envelope.signed, type=Root)


def envelope_bytes(body: dict[str, Any], signers: list[SigningKey]) -> bytes:
    text = msgspec.json.encode(body, order="deterministic").decode()
    return msgspec.json.encode(signed_by(text, signers))
