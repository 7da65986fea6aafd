"""A source network as an engine file holds it: as a graph for the CPU engine, or as ONNX."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.builder.frozen import freeze_statistics
from pyengine.builder.graph import GraphBuilder
from pyengine.builder.onnx_import import import_onnx
from pyengine.builder.ops import IMPORT
from pyengine.builder.outputs import join, lay_out
from pyengine.context_probe import probe
from pyengine.inputs.source import Array, Source, random_samples
from pyengine.onnx_network import ATTACHMENT, session_network
from pyengine.outputs import NamedOutput, fold

if TYPE_CHECKING:
    import onnx

# Input sizes are tried that many pixels larger than the sample's, to find what they must be
# multiples of.
_STEPS_PX = (1, 2, 4, 8, 16, 32, 64, 128)
_OUTPUT = "output"


@dataclass(frozen=True)
class BuiltNetwork:
    """What goes into the engine file.

    Attributes
    ----------
    graph_json : str
    tensors : dict of ndarray
        Weights, and the network as ONNX where it is kept.
    geometry : dict
        Of the core's ``analyze``.
    in_network : str or None
        The activation that a single output ends in.
    outputs : tuple of NamedOutput
        Empty where there is one of the image's resolution.
    executor : dict
        The manifest's entry on who runs it; empty for the CPU engine.
    fixed_size : str
        Why it takes the sample's size alone, where that is known by now.
    graph : GraphBuilder, optional
        Of the CPU engine.
    """

    graph_json: str
    tensors: dict[str, npt.NDArray[Any]]
    geometry: dict[str, Any]
    in_network: str | None
    outputs: tuple[NamedOutput, ...]
    executor: dict[str, Any] = field(default_factory=dict)
    fixed_size: str = ""
    graph: GraphBuilder | None = None


def make_network(
    source: Source,
    results: Array | list[Array],
    executor: str,
    weights: str,
    as_is: bool,
    halo: int | None,
    alignment: int | None,
) -> BuiltNetwork:
    """For the CPU engine where it runs the network, unless onnxruntime is asked for."""
    if executor == "onnxruntime":
        if len(source.sample_shape) == 5:
            raise _core.UnsupportedError(
                f"{source.description}: networks over volumes run on the CPU engine alone"
            )
        reason = "onnxruntime was asked for when it was built"
        return onnx_network(source, results, reason, halo, alignment)
    volume = len(source.sample_shape) == 5
    try:
        return cpu_network(source, results, weights, as_is)
    except (_core.UnsupportedError, _core.EngineFileError) as refusal:
        if executor == "cpu" or volume:
            if isinstance(refusal, _core.UnsupportedError):
                raise
            raise _core.UnsupportedError(
                f"{source.description}: the CPU engine does not run this network ({refusal})"
                + ("" if volume else "; executor='onnxruntime' does")
            ) from refusal
        reason = str(refusal).split(". ")[0]
        try:
            return onnx_network(source, results, reason, halo, alignment)
        except ImportError as missing:
            raise _core.UnsupportedError(f"{refusal}. {missing}") from refusal


def cpu_network(
    source: Source,
    results: Array | list[Array],
    weights: str,
    as_is: bool,
    frozen_on: list[Array] | None = None,
) -> BuiltNetwork:
    """The network for the CPU engine.

    Parameters
    ----------
    source : Source
    results : ndarray or list
        What it returns for an input of the sample's shape.
    weights : str
        The type that is stored.
    as_is : bool
        A single result stays as it is, whatever its size: it is no segmentation.
    frozen_on : list of ndarray, optional
        Inputs over which the statistics of norms are measured, which then are constants.

    Raises
    ------
    UnsupportedError, EngineFileError
        What the CPU engine does not run, by name.
    ValueError
        Not an image network, or weights that are not finite in that type.
    """
    graph = import_onnx(source.model, source.sample_shape)
    if frozen_on is not None:
        freeze_statistics(graph, source.model, frozen_on)
    size = source.sample_shape[2:]
    in_network: str | None = None
    outputs: tuple[NamedOutput, ...] = ()
    names = [value.name for value in source.model.graph.output]
    if len(names) > 1 and graph.volume:
        raise _core.UnsupportedError(
            f"{source.description}: of a network over volumes one output is supported; choose it by "
            "output_name="
        )
    if len(names) > 1:
        outputs = lay_out(results, names, source.sample_shape, dense=False)
        outputs = join(graph, graph.outputs, outputs)
    else:
        in_network = graph.strip_head()
    graph.simplify()
    geometry = _core.analyze(graph.json(), size)
    if len(names) == 1 and not as_is and not graph.volume:
        outputs = lay_out(results, names, source.sample_shape, geometry["dense"])
        if outputs:
            join(graph, [graph.output], outputs)
            geometry = _core.analyze(graph.json(), size)
    if outputs and not geometry["dense"]:
        raise _core.UnsupportedError(f"{source.description}: {geometry['reason']}")
    tensors = {k: v.astype(weights) for k, v in graph.weights.items()}
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"weight '{name}' holds NaN or infinity (as {weights})")
    return BuiltNetwork(graph.json(), tensors, geometry, in_network, outputs, graph=graph)


def onnx_network(
    source: Source,
    results: Array | list[Array],
    reason: str,
    halo: int | None,
    alignment: int | None,
) -> BuiltNetwork:
    """The network as ONNX, for onnxruntime.

    Parameters
    ----------
    source, results
        As in `cpu_network`.
    reason : str
        Why the CPU engine does not run it.
    halo, alignment : int, optional
        Context of a tile, and what its origin is a multiple of [px]; compared with the network's
        response. Without a halo the network has no tiles.

    Raises
    ------
    ImportError
        onnxruntime is missing.
    UnsupportedError
        The network needs more context, or onnxruntime does not run it.
    """
    model = any_size_onnx(source)
    data = model.SerializeToString()
    shape = source.sample_shape
    first = results[0] if isinstance(results, list) else results
    dense = first.ndim == 4 and first.shape[2:] == shape[2:]
    names = [value.name for value in model.graph.output]
    outputs = lay_out(results, names, shape, dense)
    heads = [_head_of(model, name) for name in names]
    if outputs and len(heads) > 1:
        outputs = tuple(
            replace(one, activation=head or "none", in_network=head is not None)
            for one, head in zip(outputs, heads, strict=True)
        )
    session = session_network(data, None, source.description)

    def run(x: Array) -> Array:
        return fold(session(x), outputs)

    vector = not outputs and not dense
    cell, fixed = (1, "") if vector else _cell(run, shape, alignment)
    node = {
        "op": "onnx", "name": reason, "inputs": ["image"], "output": _OUTPUT,
        "out_channels": first.shape[1] if not outputs else sum(one.planes for one in outputs),
        "cell_px": cell, "whole_image": halo is None, "vector": vector,
        "amounts": [halo or 0] * 4,
    }  # fmt: skip
    graph = {"input": {"name": "image", "channels": shape[1]}, "nodes": [node], "output": _OUTPUT}
    graph_json = json.dumps(graph, separators=(",", ":"))
    geometry = _core.analyze(graph_json, shape[2:])
    if halo is not None and (said := fixed or _probe(run, geometry, shape)):
        raise _core.UnsupportedError(f"{source.description}: halo={halo}: {said}")
    unknown = sorted({node.op_type for node in model.graph.node} - set(IMPORT))
    return BuiltNetwork(
        graph_json, {ATTACHMENT: np.frombuffer(data, np.uint8)}, geometry,
        None if outputs and len(outputs) > 1 else heads[0], outputs, fixed_size=fixed,
        executor={"name": "onnxruntime", "reason": reason, "operators": unknown},
    )  # fmt: skip


def any_size_onnx(source: Source) -> onnx.ModelProto:
    """The source network's ONNX, with free sizes where it can have them."""
    return source.model if source.of_any_size is None else source.of_any_size()


def _probe(run: Callable[[Array], Array], geometry: dict[str, Any], shape: tuple[int, ...]) -> str:
    residue = shape[2] % geometry["alignment"]
    return probe(run, geometry | {"size_residue": residue}, shape[1])


def _head_of(model: onnx.ModelProto, output: str) -> str | None:
    """The activation that computes an output."""
    for node in model.graph.node:
        if output in node.output:
            axes = {a.name: a.i for a in node.attribute}
            if node.op_type == "Softmax" and axes.get("axis", -1) in (1, -3):
                return "softmax"
            return "sigmoid" if node.op_type == "Sigmoid" else None
    return None


def _cell(
    run: Callable[[Array], Array], shape: tuple[int, ...], alignment: int | None
) -> tuple[int, str]:
    """What input sizes differ by from the sample's, and why there is no other size, if so."""
    why = ""
    for step in _STEPS_PX if alignment is None else (alignment,):
        size = shape[2] + step, shape[3] + step
        if (shape[2] - shape[3]) % step:
            continue
        try:
            (x,) = random_samples((1, shape[1], *size), 1)
            if run(x).shape[2:] == size:
                return step, ""
            why = "its output then has another size"
        except Exception as error:  # onnxruntime has classes of its own
            why = next(iter(str(error).splitlines()), type(error).__name__)
    return 1, f"it takes no other size than {shape[2]} x {shape[3]} px ({why})"
