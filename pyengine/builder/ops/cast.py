"""Changes of type: the engine computes in float32, so only what rounds is left of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, refuse
from pyengine.builder.ops.arithmetic import affine, with_constant

if TYPE_CHECKING:
    import onnx


def import_cast(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    import onnx

    kinds = onnx.TensorProto
    floats = (kinds.FLOAT, kinds.FLOAT16, kinds.BFLOAT16, kinds.DOUBLE)
    value, before = w.value(node), w.graph.types.get(node.input[0], kinds.FLOAT)
    if a["to"] in floats or (before not in floats and a["to"] != kinds.BOOL):
        w.alias(node, value)  # whole numbers stay what they are
    elif a["to"] == kinds.BOOL:
        zero = with_constant(w, node, "equal", value, np.zeros(()))
        w.alias(node, affine(w, node, zero, -1.0, 1.0, node.output[0]))
    elif a["to"] in (kinds.INT32, kinds.INT64):
        w.like(node, "function", value, kind="trunc")
    else:
        name = kinds.DataType.Name(a["to"]).lower()
        raise refuse(node, f"it turns values of the network into {name}")


def import_castlike(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    import onnx

    like = node.input[1]
    kind = (
        onnx.helper.np_dtype_to_tensor_dtype(w.constants[like].dtype)
        if like in w.constants
        else w.graph.types[like]
    )
    import_cast(w, node, {"to": kind})


# By ONNX's name of the operator.
IMPORT: dict[str, ImportFn] = {"Cast": import_cast, "CastLike": import_castlike}
EXPORT: dict[str, Any] = {}
