"""Layers that exporters took apart, found again: each file of this package knows one kind."""

from __future__ import annotations

from pyengine.builder.onnx_fold import FoldedGraph
from pyengine.builder.patterns.moments import join_moments


def recognise(graph: FoldedGraph) -> None:
    """Replace what is recognised by single nodes, in place."""
    join_moments(graph)
