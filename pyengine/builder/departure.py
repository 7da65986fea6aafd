"""Where an engine first departs from its source: the layer is named."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine.builder.container import serialize
from pyengine.builder.parity import relative
from pyengine.engine import Engine
from pyengine.inputs.onnx import onnx_runner
from pyengine.inputs.source import Array

if TYPE_CHECKING:
    import onnx


def first_departure(
    model: onnx.ModelProto,
    graph_json: str,
    tensors: dict[str, npt.NDArray[Any]],
    sample: Array,
    tolerance: float,
) -> str:
    """The first layer whose result differs from the ONNX network's, for an error's text.

    Halves the layers again and again, so that few of them are built and run.

    Parameters
    ----------
    model : onnx.ModelProto
        The network, as it was imported.
    graph_json, tensors
        Of the engine.
    sample : ndarray
        An input on which they differ.
    tolerance : float
        Of a layer's range.

    Returns
    -------
    str
        Empty where no layer can be compared.
    """
    graph = json.loads(graph_json)
    made = {name for node in model.graph.node for name in node.output}
    layers = [node for node in graph["nodes"] if node["output"] in made]
    if not layers:
        return ""
    want = _results(model, [node["output"] for node in layers], sample)

    def departs(index: int) -> float:
        node = layers[index]
        got = _run_up_to(graph, node["output"], tensors, sample)
        there = want[node["output"]].reshape(got.shape)
        error = relative(float(np.abs(got - there).max()), float(np.ptp(there)))
        return error if not error <= tolerance else 0.0

    if not departs(len(layers) - 1):
        return "; all layers agree with its ONNX form, so the exporter wrote another network"
    low, high = -1, len(layers) - 1  # up to `low` all is well, at `high` it is not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if departs(middle) else (middle, high)
    node = layers[high]
    return f"; it first departs at layer '{node['name']}' ({node['op']}), by {departs(high):.3g}"


def _results(model: onnx.ModelProto, names: list[str], sample: Array) -> dict[str, Array]:
    import onnx

    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    results = onnx_runner(exposed, "the network's layers")(sample)
    arrays = results if isinstance(results, list) else [results]
    return dict(zip(names, arrays, strict=True))


def _run_up_to(
    graph: dict[str, Any], output: str, tensors: dict[str, npt.NDArray[Any]], sample: Array
) -> Array:
    last = next(i for i, node in enumerate(graph["nodes"]) if node["output"] == output)
    part = graph | {"nodes": graph["nodes"][: last + 1], "output": output}
    named = {node[k] for node in part["nodes"] for k in ("weight", "bias") if k in node}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.pyengine"
        manifest = _manifest(part, sample.shape)
        path.write_bytes(
            serialize(manifest, json.dumps(part), {k: v for k, v in tensors.items() if k in named})
        )
        result: Array = Engine(path, device="cpu").run(sample)
        return result


def _manifest(graph: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """Enough of one to run the network itself."""
    from pyengine import _core

    geometry = _core.analyze(json.dumps(graph), shape[2:])
    return {
        "task": "classification",
        "classes": [{"name": str(i), "color": [0, 0, 0]} for i in range(geometry["classes"])],
        "input": {"channels": shape[1], "dtype": "float32", "preprocessing": [],
                  "sample_size_px": list(shape[2:])},
        "head": {"activation": "none", "in_network": False},
        "halo": geometry["halo"],
        "alignment": geometry["alignment"],
    }  # fmt: skip
