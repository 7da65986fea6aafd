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


def export_resize(e: OnnxWriter, node: Node, x: str, *like: str) -> None:
    how = {
        "mode": node["mode"], "axes": [2, 3],
        "coordinate_transformation_mode": node.get("coordinates", "half_pixel"),
        "nearest_mode": node.get("rounding", "round_prefer_floor"),
        "cubic_coeff_a": float(node.get("cubic_coefficient", -0.75)),
        "exclude_outside": int(node.get("exclude_outside", False)),
        "antialias": int(node.get("antialias", False)),
    }  # fmt: skip
    if like:
        sizes = e.add("Shape", node, [like[0]], "size", start=2)
    elif "size" in node:
        sizes = e.constant(node, "size", np.array(node["size"]))
    else:
        # Scales are float32 whatever the data's type.
        name = f"{e.names[node['output']]}.scales"
        e.constants[name] = np.array([num / den for num, den in node["scale"]], np.float32)
        e.add("Resize", node, [x, "", name], **how)
        return
    e.add("Resize", node, [x, "", "", sizes], **how)


def export_space_to_depth(e: OnnxWriter, node: Node, x: str) -> None:
    block = node["stride"][0]
    if node.get("order") == "blocks_first":
        e.add("SpaceToDepth", node, [x], blocksize=block)
        return
    # What ONNX puts at pixel * channels + channel belongs to channel * pixels + pixel.
    deep = e.add("SpaceToDepth", node, [x], "deep", blocksize=block)
    size = e.add("Shape", node, [deep], "size", start=2)
    apart = e.constant(node, "apart", np.array([0, block * block, -1]))
    together = e.constant(node, "together", np.array([0, -1]))
    split = e.add("Concat", node, [apart, size], "split", axis=0)
    joined = e.add("Concat", node, [together, size], "joined", axis=0)
    blocks = e.add("Reshape", node, [deep, split], "blocks")
    channels = e.add("Transpose", node, [blocks], "channels", perm=[0, 2, 1, 3, 4])
    e.add("Reshape", node, [channels, joined])


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
    "space_to_depth": export_space_to_depth,
    "resize": export_resize,
}
