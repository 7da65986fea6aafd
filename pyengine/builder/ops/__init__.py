"""How each operator comes from ONNX and goes back to it: one file for each family."""

from pyengine.builder.onnx_walk import ImportFn
from pyengine.builder.onnx_write import ExportFn
from pyengine.builder.ops import (
    arithmetic,
    cast,
    conv,
    norm,
    onnx,
    pointwise,
    pool,
    reduce,
    resize,
    shape,
    views,
)

_FAMILIES = (arithmetic, cast, conv, norm, onnx, pointwise, pool, reduce, resize, shape, views)

IMPORT: dict[str, ImportFn] = {k: v for family in _FAMILIES for k, v in family.IMPORT.items()}
"""By ONNX's name of the operator."""

EXPORT: dict[str, ExportFn] = {k: v for family in _FAMILIES for k, v in family.EXPORT.items()}
"""By the name in the engine file."""
