"""Torch to Core ML: an ML program package for iOS 16 and macOS 13 on.

Conversion, shapes, types and metadata are checked here, on Linux too; Apple's runtime, and so a
prediction, exists on macOS only.
"""

import hashlib
import json
import logging
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from model_export.export.precision import (
    SMALLEST_REDUCED_WEIGHT,
    ExportFailed,
    Precision,
    PrecisionUnsupported,
)
from model_export.export.quiet import quiet

INPUT_NAME = "image"
OUTPUT_NAME = "output"
PRECISION_KEY = "daengdong.precision"

_CONVERSION_DATE = "com.github.apple.coremltools.conversion_date"

# Any fixed namespace: package items get ids from their contents instead of by chance.
_ITEM_IDS = uuid.UUID("5f0c2b7e-5a4c-4c1e-9d1f-6b6f3e1c9a51")


def export_coreml(
    module: nn.Module,
    paths: Mapping[Precision, Path],
    *,
    height: int,
    width: int,
    description: str,
    licence: str,
) -> None:
    """Write `module` as .mlpackage folders, float32 input `image` (1, 3, height, width).

    `paths`: a folder for each precision. "fp16" computes in 16 bits (what Apple's neural engine
    does), "w8a32" stores weights in 8 bits. The same net gives the same bytes. Raises
    `PrecisionUnsupported` for "int8" (activations of 8 bits ruined these nets elsewhere and cannot
    be run here), `ExportFailed` when the net is refused.
    """
    if "int8" in paths:
        raise PrecisionUnsupported("Core ML: int8 activations cannot be checked without a Mac")
    ct = coremltools()
    with quiet(), torch.no_grad():
        try:
            trace: Any = torch.jit.trace
            picture = torch.zeros(1, 3, height, width)
            # Some nets compute their anchors in the first call of a shape: not in the trace.
            module.eval()(picture)
            traced = trace(module, picture)
            for precision, path in paths.items():
                model = _convert(ct, traced, height, width, precision)
                model.short_description = description
                model.license = licence
                model.author = "daengdong"
                # The day of conversion is no part of the model: same net, same bytes.
                model.user_defined_metadata.pop(_CONVERSION_DATE, None)
                model.user_defined_metadata[PRECISION_KEY] = precision
                _save(model, path)
        except (RuntimeError, ValueError, NotImplementedError, TypeError) as error:
            raise ExportFailed(f"{type(module).__name__} to Core ML: {error}") from error


def _convert(ct: Any, traced: Any, height: int, width: int, precision: Precision) -> Any:
    half = precision == "fp16"
    model = ct.convert(
        traced,
        inputs=[ct.TensorType(INPUT_NAME, shape=(1, 3, height, width), dtype=np.float32)],
        outputs=[ct.TensorType(OUTPUT_NAME, dtype=np.float32)],
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )
    return _eight_bit_weights(model) if precision == "w8a32" else model


def coremltools() -> Any:
    """The library, without its warnings that this is no Mac."""
    # On Linux the package warns, module by module, that Apple's runtime is not there.
    logging.getLogger("coremltools").setLevel(logging.CRITICAL)
    with quiet():
        import coremltools as library
    return library


def _eight_bit_weights(model: Any) -> Any:
    import coremltools.optimize.coreml as optimise

    config = optimise.OpLinearQuantizerConfig(
        mode="linear_symmetric", weight_threshold=SMALLEST_REDUCED_WEIGHT
    )
    return optimise.linear_quantize_weights(
        model, optimise.OptimizationConfig(global_config=config)
    )


def _save(model: Any, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="daengdong-coreml-") as folder:
        made = Path(folder) / "model.mlpackage"
        model.save(str(made))
        spec_file = made / "Data" / "com.apple.CoreML" / "model.mlmodel"
        spec = model.get_spec()
        spec_file.write_bytes(spec.SerializeToString(deterministic=True))
        _name_items_by_content(made)
        # Whoever opens a package with coremltools has its manifest written anew in the library's
        # own form: it is brought into that form now, so that the bytes stay what was hashed.
        coremltools().models.utils.load_spec(str(made))
        if path.exists():
            shutil.rmtree(path)
        shutil.copytree(made, path)


def _name_items_by_content(package: Path) -> None:
    """Core ML gives each item of a package a random id; ids from contents make bytes repeat."""
    manifest_file = package / "Manifest.json"
    manifest = json.loads(manifest_file.read_bytes())
    new_ids = {}
    for old, item in manifest["itemInfoEntries"].items():
        target = package / "Data" / item["path"]
        files = sorted(p for p in target.rglob("*") if p.is_file()) or [target]
        digest = hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()
        new_ids[old] = str(uuid.uuid5(_ITEM_IDS, f"{item['path']} {digest}")).upper()
    manifest["itemInfoEntries"] = {
        new_ids[old]: item
        for old, item in sorted(
            manifest["itemInfoEntries"].items(), key=lambda entry: str(entry[1]["path"])
        )
    }
    manifest["rootModelIdentifier"] = new_ids[manifest["rootModelIdentifier"]]
    manifest_file.write_text(json.dumps(manifest, indent=4, sort_keys=True))
