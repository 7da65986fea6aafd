"""The network's door: a float32 image (N, C, H, W) goes in, and such outputs come out.

Networks of Keras take (N, H, W, C), some take uint8. A Cast or a Transpose at the door makes them
like all others, for whoever runs the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyengine.inputs.channels_last import TO_FIRST, TO_LAST, transpose_input, transpose_output
from pyengine.onnx_nodes import attributes_of

if TYPE_CHECKING:
    import onnx

# What an image may pass before its layout shows.
_KEEP_PLACES = {
    "Cast", "Identity", "Div", "Sub", "Mul", "Add", "Sigmoid", "Softmax", "Relu", "Clip",
}  # fmt: skip
# Their inputs and outputs are (N, C, H, W) by definition.
_CHANNELS_FIRST = {
    "Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization", "MaxPool",
    "AveragePool", "DepthToSpace", "SpaceToDepth", "Resize", "Upsample",
}  # fmt: skip
_MOST_CHANNELS = 16


def plain_door(model: onnx.ModelProto) -> str:
    """Adapt the input's type and layout, and the layout of the outputs."""
    graph = model.graph
    constants = {t.name for t in graph.initializer}
    images = [i for i in graph.input if i.name not in constants]
    if len(images) != 1 or len(images[0].type.tensor_type.shape.dim) != 4:
        return ""
    said = []
    if _take_float(model, images[0]):
        said.append("whole numbers as float32")
    last = has_channels_last(graph, images[0])
    if last:
        transpose_input(graph, images[0])
        said.append("(N, H, W, C) as (N, C, H, W)")
    for output in list(graph.output):
        if gives_channels_last(graph, output, last):
            transpose_output(graph, output)
    return f"the network's input is given {' and '.join(said)}" if said else ""


def has_channels_last(graph: onnx.GraphProto, image: onnx.ValueInfoProto) -> bool:
    """Whether an input is (N, H, W, C): what reads it says so, else its sizes."""
    reader = _first_reader(graph, image.name)
    if reader is not None and reader.op_type == "Transpose":
        return bool(attributes_of(reader).get("perm") == TO_FIRST)
    if reader is not None and reader.op_type in _CHANNELS_FIRST:
        return False
    dims = [d.dim_value for d in image.type.tensor_type.shape.dim]
    first, last = dims[1], dims[3]
    return 0 < last <= _MOST_CHANNELS and not 0 < first <= _MOST_CHANNELS


def gives_channels_last(
    graph: onnx.GraphProto, output: onnx.ValueInfoProto, input_is: bool
) -> bool:
    """Whether an output is (N, H, W, C)."""
    shape = output.type.tensor_type.shape
    dims = [d.dim_value for d in shape.dim]
    if output.type.tensor_type.HasField("shape") and len(dims) != 4:
        return False
    producers = {o: n for n in graph.node for o in n.output}
    node = producers.get(output.name)
    while node is not None and node.op_type in _KEEP_PLACES:
        node = producers.get(node.input[0])
    if node is not None and node.op_type == "Transpose":
        return bool(attributes_of(node).get("perm") == TO_LAST)
    if node is None or node.op_type in _CHANNELS_FIRST:
        return False
    return input_is and len(dims) == 4


def _first_reader(graph: onnx.GraphProto, name: str) -> onnx.NodeProto | None:
    """The first operator behind a tensor to which the order of axes matters."""
    while True:
        readers = [n for n in graph.node if name in n.input]
        if not readers:
            return None
        other = next((n for n in readers if n.op_type not in _KEEP_PLACES), None)
        if other is not None:
            return other
        name = readers[0].output[0]


def _take_float(model: onnx.ModelProto, image: onnx.ValueInfoProto) -> bool:
    """Take float32 where whole numbers were taken; what casts them to float32 casts nothing."""
    from onnx import TensorProto

    kind = image.type.tensor_type
    if kind.elem_type in (TensorProto.FLOAT, TensorProto.UNDEFINED):
        return False
    kind.elem_type = TensorProto.FLOAT
    del model.graph.value_info[:]
    return True
