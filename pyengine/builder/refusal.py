"""What the CPU engine does not run, in the words of who made the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyengine import _core

if TYPE_CHECKING:
    import onnx

# By ONNX's name of the operator, what people call it.
_TITLES = {
    "Attention": "attention",
    "MultiHeadAttention": "attention",
    "GRU": "a recurrent layer",
    "LSTM": "a recurrent layer",
    "RNN": "a recurrent layer",
    "InstanceNormalization": "instance norm",
    "GroupNormalization": "group norm",
    "LayerNormalization": "layer norm",
    "RMSNormalization": "RMS norm",
    "GridSample": "sampling on a grid",
    "NonMaxSuppression": "non-maximum suppression",
    "RoiAlign": "regions of interest",
    "TopK": "the largest values",
    "If": "a branch that depends on the image",
    "Loop": "a loop that depends on the image",
    "Scan": "a loop that depends on the image",
    "NonZero": "positions that depend on the image",
    "Shape": "a shape that depends on the image",
    "DeformConv": "deformable convolution",
    "QLinearConv": "a quantised convolution",
    "ConvInteger": "a quantised convolution",
    "QLinearMatMul": "a quantised matrix product",
    "MatMulInteger": "a quantised matrix product",
    "DFT": "a Fourier transform",
}


def refuse(node: onnx.NodeProto, why: str = "", what: str = "") -> _core.UnsupportedError:
    """The error for an operator that the CPU engine does not run.

    Parameters
    ----------
    node : onnx.NodeProto
    why : str, optional
        What about it, with the numbers at hand.
    what : str, optional
        The layer as its author knows it; default by the operator's name.
    """
    name = node.name or next((o for o in node.output if o), "?")
    title = what or _TITLES.get(node.op_type, "")
    domain = "" if node.domain in ("", "ai.onnx") else f" of {node.domain}"
    operator = f"operator {node.op_type}{domain} ('{name}')"
    subject = f"{title}, {operator}," if title else operator
    reason = f": {why}" if why else ""
    return _core.UnsupportedError(
        f"{subject} is not one that the CPU engine runs{reason}. "
        "executor='onnxruntime' runs this network as it is"
    )
