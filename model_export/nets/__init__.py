"""The product's own nets: a permissive licence, and raw heads as the bundle names them."""

from model_export.nets.checkpoint import (
    CheckpointInvalid,
    archs,
    build,
    load,
    parameter_count,
    save,
)

__all__ = ["CheckpointInvalid", "archs", "build", "load", "parameter_count", "save"]
