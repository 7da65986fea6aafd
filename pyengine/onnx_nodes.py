"""What is asked of single nodes and tensors of an ONNX model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Array: TypeAlias = npt.NDArray[Any]
ONNX_DOMAINS = ("", "ai.onnx")


def check_axes(image: onnx.ValueInfoProto) -> None:
    """Refuse an input that is no (N, C, H, W) and no (N, C, D, H, W); ValueError."""
    dims = [d.dim_value or d.dim_param or "any" for d in image.type.tensor_type.shape.dim]
    if len(dims) not in (4, 5):
        raise ValueError(
            "the network's input must have 4 axes (N, C, H, W), or 5 (N, C, D, H, W) of volumes, "
            f"it has {dims}"
        )


def evaluate(node: onnx.NodeProto, constants: dict[str, Array], opset: int) -> dict[str, Array]:
    """The outputs of a node whose inputs are all known, by ONNX's reference operators."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    # An unnamed graph around the node: constants become its inputs.
    names = list(dict.fromkeys(filter(None, node.input)))
    outputs = [o for o in node.output if o]
    graph = onnx.helper.make_graph(
        [node],
        "fold",
        [
            onnx.helper.make_tensor_value_info(
                n, onnx.helper.np_dtype_to_tensor_dtype(constants[n].dtype), None
            )
            for n in names
        ],
        [onnx.ValueInfoProto(name=o) for o in outputs],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    values = ReferenceEvaluator(model).run(None, {n: constants[n] for n in names})
    return {o: np.asarray(v) for o, v in zip(outputs, values, strict=True)}


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes by name."""
    import onnx

    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}
