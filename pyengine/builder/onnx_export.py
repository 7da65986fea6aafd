"""From the graph of an engine file back to ONNX, strongly typed: each layer in a type of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from pyengine.builder.onnx_write import LayerType, OnnxWriter
from pyengine.builder.ops import EXPORT

if TYPE_CHECKING:
    import onnx


def export_onnx(
    graph: dict[str, Any],
    weights: dict[str, npt.NDArray[Any]],
    types: Mapping[str, LayerType] | None = None,
    scales: Mapping[str, float] | None = None,
    expose: bool = False,
) -> onnx.ModelProto:
    """The network as ONNX.

    Vectors are planes of 1 x 1 here, so that every tensor has shape (N, C, H, W).

    Parameters
    ----------
    graph : dict
        As in ``csrc/ENGINE_FORMAT.md``.
    weights : dict of ndarray
        By the names in the graph.
    types : mapping of str, optional
        By layer, what it computes in. "int8" is for convolutions and linear layers: their input and
        weights go through QuantizeLinear and DequantizeLinear, their results are float16.
        Default: all compute in float32.
    scales : mapping of float, optional
        By tensor of the graph, the value of one step of int8; for the inputs of int8 layers.
    expose : bool
        Make the result of the graph's i-th node an output too, as float32 and named ``layer<i>``.

    Returns
    -------
    onnx.ModelProto
        Input ``image`` (N, C, H, W), float16 if nothing reads it as float32; output ``logits``
        (N, K, H', W') float32.
    """
    return OnnxWriter(graph, weights, types or {}, scales or {}, EXPORT).model(expose)
