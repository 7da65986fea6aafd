"""Engines straight from a graph, for operators that no source network needs to name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from conftest import open_with_isa

import pyengine
from pyengine import _core
from pyengine.builder.container import serialize
from pyengine.builder.graph import GraphBuilder


def graph_of(channels: int, *nodes: dict[str, Any], image: str = "x") -> GraphBuilder:
    """A graph of nodes, each with ``op`` and attributes; arrays become weights.

    A node reads the one before it where it names no ``inputs``, and gives ``out<i>``.
    """
    graph = GraphBuilder(image, channels)
    last = image
    for i, given in enumerate(nodes):
        node = dict(given)
        op, inputs = node.pop("op"), node.pop("inputs", [last])
        last = node.pop("output", f"out{i}")
        graph.add(op, f"{op}{i}", inputs, last, **node)
    graph.output = last
    return graph


def write_graph(graph: GraphBuilder, path: Path, size: tuple[int, int]) -> None:
    """The engine file of a graph, whose outputs are taken as they are."""
    geometry = _core.analyze(graph.json(), size)
    outputs = geometry["classes"]
    manifest = {
        "task": "segmentation" if geometry["dense"] else "classification",
        "classes": [{"name": f"class {i}", "color": [0, 0, 0]} for i in range(outputs)],
        "input": {"channels": graph.channels, "dtype": "float32", "preprocessing": [],
                  "sample_size_px": list(size)},
        "head": {"activation": "none", "in_network": False},
        "halo": geometry["halo"],
        "alignment": geometry["alignment"],
        "provenance": {},
    }  # fmt: skip
    tensors = {name: np.asarray(w, np.float32) for name, w in graph.weights.items()}
    path.write_bytes(serialize(manifest, graph.json(), tensors))


def open_graph(
    graph: GraphBuilder,
    path: Path,
    size: tuple[int, int],
    isa: str = "",
    threads: int | None = None,
) -> pyengine.Engine:
    write_graph(graph, path, size)
    return open_with_isa(path, isa, threads)


def random_batch(channels: int, height: int, width: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((2, channels, height, width), np.float32)
