"""ONNX networks whose images are (N, H, W, C), as Keras and TensorFlow have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def channels_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network on (N, C, H, W), transposed at its beginning and at its ends.

    Parameters
    ----------
    model : onnx.ModelProto
        With one input (N, H, W, C). Outputs of other ranks stay as they are.

    Returns
    -------
    onnx.ModelProto
        A copy.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    constants = {t.name for t in graph.initializer}
    (image,) = [i for i in graph.input if i.name not in constants]
    transpose_input(graph, image)
    for output in graph.output:
        if len(output.type.tensor_type.shape.dim) == 4:
            transpose_output(graph, output)
    del graph.value_info[:]
    return copy


def transpose_input(graph: onnx.GraphProto, image: onnx.ValueInfoProto) -> None:
    """Take (N, C, H, W) at an input that was (N, H, W, C); in place."""
    from onnx import helper

    inner = f"{image.name}/channels_last"
    for node in graph.node:
        node.input[:] = [inner if name == image.name else name for name in node.input]
    graph.node.insert(0, helper.make_node("Transpose", [image.name], [inner], perm=TO_LAST))
    _permute(image)


def transpose_output(graph: onnx.GraphProto, output: onnx.ValueInfoProto) -> None:
    """Give (N, C, H, W) at an output that was (N, H, W, C); in place."""
    from onnx import helper

    inner = f"{output.name}/channels_last"
    for node in graph.node:
        node.output[:] = [inner if name == output.name else name for name in node.output]
        node.input[:] = [inner if name == output.name else name for name in node.input]
    graph.node.append(helper.make_node("Transpose", [inner], [output.name], perm=TO_FIRST))
    if output.type.tensor_type.HasField("shape"):
        _permute(output)


def _permute(value: onnx.ValueInfoProto) -> None:
    dims = list(value.type.tensor_type.shape.dim)
    copies = [type(dims[i])() for i in TO_FIRST]
    for copy, i in zip(copies, TO_FIRST, strict=True):
        copy.CopyFrom(dims[i])
    del value.type.tensor_type.shape.dim[:]
    value.type.tensor_type.shape.dim.extend(copies)
