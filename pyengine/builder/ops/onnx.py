"""Whole networks that a file keeps as ONNX: they neither come apart nor go back."""

from __future__ import annotations

from pyengine import _core
from pyengine.builder.onnx_walk import ImportFn
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter


def export_onnx_network(_e: OnnxWriter, node: Node, _x: str) -> None:
    raise _core.UnsupportedError(
        f"the file keeps its network as ONNX for onnxruntime ({node['name']}); plans are made of "
        "networks that the CPU engine runs"
    )


IMPORT: dict[str, ImportFn] = {}
EXPORT: dict[str, ExportFn] = {"onnx": export_onnx_network}
