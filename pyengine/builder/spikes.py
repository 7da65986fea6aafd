"""One pixel far above all others, as a dead detector element or a saturated reflection makes it.

Winograd's algorithm computes patches of 4x4 or 6x6 outputs together, and each output rounds by the
largest value of its patch. Beside a pixel of 65,535 among values near 1 this reaches outputs that
the pixel itself does not. Where it would be more than the tolerance, convolutions are computed
directly, from the image on, as many as it takes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.builder.container import serialize
from pyengine.builder.network import BuiltNetwork
from pyengine.builder.parity import BuildReport
from pyengine.engine import Engine
from pyengine.inputs.source import Array

_LARGEST = {"uint8": 255, "uint16": 65535}


def without_far_rounding(
    path: Path, network: BuiltNetwork, manifest: dict[str, Any], report: BuildReport
) -> tuple[BuiltNetwork, BuildReport]:
    """The network with those convolutions computed directly that need it, noted in the report.

    Of images of floats nobody knows the largest value: their networks stay as they are.

    Parameters
    ----------
    path : Path
        A temporary file, which is written.
    network : BuiltNetwork
    manifest : dict
    report : BuildReport
        Its tolerance bounds the rounding at each output, as a fraction of what the pixel changes
        there or of the outputs' range on the samples, whichever is more.
    """
    largest = _LARGEST.get(manifest["input"]["dtype"])
    sample = manifest["input"]["sample_size_px"]
    volume = len(sample) == 3  # it has no preprocessing here that images could come through
    if largest is None or volume or network.executor or network.graph_json is None:
        return network, report

    def opened(graph_json: str) -> Engine:
        path.write_bytes(serialize(manifest, graph_json, network.tensors))
        return Engine(path, device="cpu", threads=1)

    engine = opened(network.graph_json)
    height, width = sample
    patches = [row.layer for row in engine.profile(height, width, 1) if row.algorithm == "winograd"]
    if not patches:
        return network, report
    plain, spiked = (engine.normalise(one)[None] for one in _images(engine, largest))
    exact = opened(_direct(network.graph_json, patches))
    want = _planes(exact.run(spiked))
    change = np.abs(want - _planes(exact.run(plain)))
    allowed = report.tolerance * np.maximum(change, report.output_range)
    for count in range(len(patches) + 1):
        graph_json = _direct(network.graph_json, patches[:count])
        if np.all(np.abs(_planes(opened(graph_json).run(spiked)) - want) <= allowed):
            break
    if count == 0:
        return network, report
    note = f"computed directly, for the sake of single bright pixels: {', '.join(patches[:count])}"
    return replace(network, graph_json=graph_json), replace(report, notes=(*report.notes, note))


def _images(engine: Engine, largest: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Images of values near 1, without and with one pixel of the largest value."""
    height, width = engine.info.input["sample_size_px"]
    channels = engine.info.input["channels"]
    dtype = np.uint8 if largest < 256 else np.uint16
    plain = np.random.default_rng(0).integers(0, 3, (height, width, channels)).astype(dtype)
    spiked = plain.copy()
    spiked[height // 2, width // 2] = largest
    return plain, spiked


def _planes(result: Any) -> Array:
    """All results as one row of numbers."""
    arrays = result if isinstance(result, list) else [result]
    return np.concatenate([np.ravel(one) for one in arrays])


def _direct(graph_json: str, layers: list[str]) -> str:
    """The graph with these convolutions computed directly."""
    graph = json.loads(graph_json)
    for node in graph["nodes"]:
        if node.get("name") in layers:
            node["direct"] = True
    return json.dumps(graph, separators=(",", ":"))
