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


def check_no_cycle(graph: onnx.GraphProto) -> None:
    """Refuse nodes that wait for their own results, which walks along the graph would never leave.

    Raises
    ------
    ValueError
        Names the tensor; also one that is made twice.
    """
    made = {t.name for t in graph.input} | {t.name for t in graph.initializer}
    for node in graph.node:
        for name in filter(None, node.output):
            if name in made:
                raise ValueError(f"the network makes the tensor '{name}' twice")
            made.add(name)
    producers = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    waits = [{producers[n] for n in node.input if n in producers} for node in graph.node]
    readers: list[list[int]] = [[] for _ in waits]
    for i, others in enumerate(waits):
        for other in others:
            readers[other].append(i)
    ready = [i for i, others in enumerate(waits) if not others]
    done = 0
    while ready:
        done += 1
        for reader in readers[(i := ready.pop())]:
            waits[reader].discard(i)
            if not waits[reader]:
                ready.append(reader)
    if done < len(waits):
        node = next(n for n, others in zip(graph.node, waits, strict=True) if others)
        raise ValueError(f"the network's tensor '{node.output[0]}' depends on itself")


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
