"""Enlargements by whole factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter

if TYPE_CHECKING:
    import onnx


def import_resize(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    source, target = w.shape(node, node.input[0]), w.shape(node, node.output[0])
    mode = a.get("mode", "nearest")
    transform = a.get("coordinate_transformation_mode", "half_pixel")
    if len(source) != 4 or any(t % s for s, t in zip(source, target, strict=True)):
        raise refuse(node, f"from {source} to {target} is not a whole multiple")
    scale = [target[2] // source[2], target[3] // source[3]]
    if mode == "nearest":
        rounding = a.get("nearest_mode", "round_prefer_floor")
        same_as_floor = (transform == "asymmetric" and rounding == "floor") or (
            transform in ("half_pixel", "pytorch_half_pixel")
            and rounding in ("round_prefer_floor", "round_prefer_ceil")
        )
        if not same_as_floor:
            raise refuse(node, f"nearest with {transform} and {rounding}")
        w.emit(node, "upsample_nearest", stride=scale)
    elif mode == "linear" and transform in (
        "half_pixel",
        "pytorch_half_pixel",
        "align_corners",
    ):
        w.emit(
            node, "upsample_bilinear", stride=scale,
            align_corners=transform == "align_corners",
        )  # fmt: skip
    else:
        raise refuse(node, f"mode {mode} with {transform}")


def import_upsample(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    a = {"mode": a.get("mode", "nearest"), "coordinate_transformation_mode": "asymmetric",
         "nearest_mode": "floor"}  # fmt: skip
    import_resize(w, node, a)


def export_upsample(e: OnnxWriter, node: Node, x: str) -> None:
    # Scales are float32 whatever the data's type.
    name = f"{e.names[node['output']]}.scales"
    e.constants[name] = np.array([1, 1, *node["stride"]], np.float32)
    if node["op"] == "upsample_nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric",
               "nearest_mode": "floor"}  # fmt: skip
    else:
        corners = node.get("align_corners", False)
        how = {"mode": "linear",
               "coordinate_transformation_mode": "align_corners" if corners else "half_pixel"}  # fmt: skip
    e.add("Resize", node, [x, "", name], **how)


def import_depthtospace(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    order = "channels_first" if a.get("mode", "DCR") == "CRD" else "blocks_first"
    w.emit(node, "depth_to_space", stride=[a["blocksize"], a["blocksize"]], order=order)


def export_depth_to_space(e: OnnxWriter, node: Node, x: str) -> None:
    mode = "DCR" if node.get("order") == "blocks_first" else "CRD"
    e.add("DepthToSpace", node, [x], blocksize=node["stride"][0], mode=mode)


# By ONNX's name of the operator, and by ours.
IMPORT: dict[str, ImportFn] = {
    "Resize": import_resize,
    "Upsample": import_upsample,
    "DepthToSpace": import_depthtospace,
}
EXPORT: dict[str, ExportFn] = {
    "upsample_nearest": export_upsample,
    "upsample_bilinear": export_upsample,
    "depth_to_space": export_depth_to_space,
}
