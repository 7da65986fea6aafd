"""Norms over the whole image become constants, measured over a set of images.

A network that was trained with instance or group norm computes means and variances anew for every
image, so that no tile stands by itself. With the images' mean statistics in their place it has exact
tiles again, and is another network: how far it departs is measured, and told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.builder.graph import GraphBuilder
from pyengine.inputs.onnx import onnx_runner
from pyengine.inputs.source import Array
from pyengine.outputs import arrays_of

if TYPE_CHECKING:
    import onnx

_NORM = "group_norm"
_EPSILON = 1e-5  # the engine file's default


def freeze_statistics(graph: GraphBuilder, model: onnx.ModelProto, samples: list[Array]) -> int:
    """Replace norms over planes by affine steps.

    Parameters
    ----------
    graph : GraphBuilder
        As imported from `model`; changed in place.
    model : onnx.ModelProto
    samples : list of ndarray
        Network inputs (1, C, H, W); sizes may differ where the network takes them.

    Returns
    -------
    int
        Norms replaced.

    Raises
    ------
    UnsupportedError
        A norm whose input the source network does not have.
    ValueError
        There is no norm over planes.
    """
    norms = [node for node in graph.nodes if node["op"] == _NORM]
    if not norms:
        raise ValueError("statistics='frozen': the network has no norm over the whole image")
    inputs = list(dict.fromkeys(node["inputs"][0] for node in norms))
    values = [_tensors(model, graph.input_name, inputs, sample) for sample in samples]
    for node in norms:
        measured = [_moments(each[node["inputs"][0]], node.get("groups", 1)) for each in values]
        mean = np.mean([m for m, _ in measured], 0)
        variance = np.mean([v for _, v in measured], 0)
        scale = 1 / np.sqrt(variance + node.get("epsilon", _EPSILON))
        gain = graph.weights.pop(node.get("weight", ""), np.ones_like(scale))
        offset = graph.weights.pop(node.get("bias", ""), np.zeros_like(scale))
        name = node["name"]
        graph.weights |= {
            f"{name}.scale": gain * scale,
            f"{name}.shift": offset - mean * gain * scale,
        }
        affine = {"op": "affine", "name": name, "inputs": node["inputs"], "output": node["output"],
                  "weight": f"{name}.scale", "bias": f"{name}.shift"}  # fmt: skip
        node.clear()
        node.update(affine)
    return len(norms)


def _moments(x: Array, groups: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Mean and variance of each channel's group, for each channel."""
    channels = x.shape[1]
    planes = x[0].astype(np.float64).reshape(groups, -1)
    each = channels // groups
    return planes.mean(1).repeat(each), planes.var(1).repeat(each)


def _tensors(
    model: onnx.ModelProto, image: str, names: list[str], sample: Array
) -> dict[str, Array]:
    import onnx

    made = {name for node in model.graph.node for name in node.output}
    missing = [name for name in names if name not in made and name != image]
    if missing:
        raise _core.UnsupportedError(
            f"statistics='frozen': the norm that reads '{missing[0]}' cannot be measured"
        )
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    inner = [name for name in names if name != image]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    results = arrays_of(onnx_runner(exposed, "the network's norms")(sample)) if inner else []
    return {image: sample} | dict(zip(inner, results, strict=True))
