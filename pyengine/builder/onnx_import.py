"""ONNX operators as nodes of the executor-neutral graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyengine.builder.graph import GraphBuilder
from pyengine.builder.onnx_fold import fold
from pyengine.builder.onnx_walk import OnnxWalker
from pyengine.builder.ops import IMPORT
from pyengine.builder.ops.move import settle
from pyengine.builder.patterns import recognise

if TYPE_CHECKING:
    import onnx


def import_onnx(model: onnx.ModelProto, sample_shape: tuple[int, ...]) -> GraphBuilder:
    """Translate an ONNX network with one image input and one output.

    Parameters
    ----------
    model : onnx.ModelProto
        Any opset that onnx's shape inference understands.
    sample_shape : tuple of int
        (1, C, H, W), a size the network accepts.

    Returns
    -------
    GraphBuilder

    Raises
    ------
    UnsupportedError
        An operator or attribute that the CPU engine does not run, by name.
    ValueError
        Not an image network.
    """
    graph = fold(model, sample_shape)
    recognise(graph)
    return OnnxWalker(graph, IMPORT, settle).run()
