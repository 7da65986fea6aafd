"""Planes of another resolution."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.axes import Part
from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, Stored, Value, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter
from pyengine.builder.ops.move import planes_of

if TYPE_CHECKING:
    import onnx

_LARGEST = 4096  # of a ratio's numbers, in the engine file
_BILINEAR = ("half_pixel", "pytorch_half_pixel", "align_corners")


def import_resize(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value, target = _planes(w, node), w.shape(node, node.output[0])
    source = value.shape
    if source[:2] != target[:2]:
        raise refuse(node, f"it enlarges images or channels, {source} to {target}")
    if value.stored.vector:
        # One pixel enlarged is the same everywhere.
        repeated = ((Part("*", 0, n),) if n > 1 else () for n in target[2:])
        w.alias(node, replace(value, axes=(*value.axes[:2], *repeated)))
        return
    how = _how(w, node, a)
    given = _scales(w, node, a)
    stored = value.stored.resized(target[2:])
    if source == target and given is None and how["coordinates"] != "tf_crop_and_resize":
        w.alias(node, value)
        return
    whole_factors = not any(t % s for s, t in zip(source[2:], target[2:], strict=True))
    exact = given is None or all(
        abs(s - t / n) < 1e-6 * s for s, n, t in zip(given, source[2:], target[2:], strict=True)
    )
    if whole_factors and exact:
        stride = [t // s for s, t in zip(source[2:], target[2:], strict=True)]
        if how["mode"] == "nearest" and _floors(how):
            w.emit(node, "upsample_nearest", [value], stored, stride=stride)
            return
        if how["mode"] == "linear" and how["coordinates"] in _BILINEAR and not how["antialias"]:
            corners = how["coordinates"] == "align_corners"
            w.emit(
                node, w.word("upsample_bilinear"), [value], stored, stride=stride,
                align_corners=corners,
            )  # fmt: skip
            return
    _resize(w, node, value, stored, given, how)


def _resize(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, stored: Stored,
    given: list[float] | None, how: dict[str, Any],
) -> None:  # fmt: skip
    source, target = value.stored.size, stored.size
    if given is not None:
        scale = [Fraction(s).limit_denominator(_LARGEST) for s in given]
        close = all(abs(float(f) - s) <= 1e-6 * s for f, s in zip(scale, given, strict=True))
        if not close or any(f.numerator > _LARGEST for f in scale):
            raise refuse(node, f"scales {given} are no ratios of numbers up to {_LARGEST}")
        sizes = tuple(n * f.numerator // f.denominator for n, f in zip(source, scale, strict=True))
        if sizes != target:
            raise refuse(node, f"scales {given} of {source} give {target}, not {sizes}")
        pairs = [[f.numerator, f.denominator] for f in scale]
        w.emit(node, "resize", [value], stored, scale=pairs, **how)
        return
    ratios = [Fraction(t, s) for s, t in zip(source, target, strict=True)]
    simple = all(r.denominator == 1 or r.numerator == 1 for r in ratios)
    like = None if simple else planes_of(w, *target)
    if like is not None:
        w.emit(node, "resize", [value, like], stored, **how)
    elif simple:
        pairs = [[r.numerator, r.denominator] for r in ratios]
        w.emit(node, "resize", [value], stored, scale=pairs, **how)
    else:
        w.emit(node, "resize", [value], stored, size=list(target), **how)


def _planes(w: OnnxWalker, node: onnx.NodeProto) -> Value:
    value = w.value(node)
    return value if value.stored.vector and len(value.axes) == w.spatial + 2 else w.planes(node)


def _floors(how: dict[str, Any]) -> bool:
    """Whether nearest neighbours of a whole factor are those of a plain repetition."""
    transform, rounding = how["coordinates"], how["rounding"]
    return (transform == "asymmetric" and rounding == "floor") or (
        transform in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
        and rounding in ("round_prefer_floor", "round_prefer_ceil")
    )


def _how(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> dict[str, Any]:
    transform = a.get(
        "coordinate_transformation_mode", "half_pixel" if w.opset > 10 else "asymmetric"
    )
    mode = a.get("mode", "nearest")
    mode = "linear" if mode == "bilinear" else mode
    if transform == "tf_crop_and_resize":
        raise refuse(node, "it crops and resizes at once")
    if a.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise refuse(node, "it keeps the aspect ratio")
    return {
        "mode": mode,
        "coordinates": transform,
        "rounding": a.get("nearest_mode", "round_prefer_floor" if w.opset > 10 else "floor"),
        "cubic_coefficient": float(a.get("cubic_coeff_a", -0.75)),
        "exclude_outside": bool(a.get("exclude_outside", 0)),
        "antialias": bool(a.get("antialias", 0)),
    }


def _scales(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> list[float] | None:
    """Factors of rows and columns where they are given; None where the size is."""
    if "scales" in a:
        scales = a["scales"]
    else:
        value = w.optional(node, 1 if w.opset < 11 else 2)
        scales = [] if value is None else value.tolist()
    if not scales:
        return None
    axes = a.get("axes")
    rank = w.spatial + 2
    by_axis = dict(zip([x % rank for x in axes] if axes else range(rank), scales, strict=True))
    return [float(by_axis.get(i, 1.0)) for i in range(2, rank)]


def import_upsample(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    a = a | {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
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
    w.emit(
        node, "depth_to_space", [w.planes(node)], w.output_planes(node),
        stride=[a["blocksize"], a["blocksize"]], order=order,
    )  # fmt: skip


def import_spacetodepth(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    w.emit(
        node, "space_to_depth", [w.planes(node)], w.output_planes(node),
        stride=[a["blocksize"], a["blocksize"]], order="blocks_first",
    )  # fmt: skip


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
    "SpaceToDepth": import_spacetodepth,
}
EXPORT: dict[str, ExportFn] = {
    "upsample_nearest": export_upsample,
    "upsample_bilinear": export_upsample,
    "depth_to_space": export_depth_to_space,
    "space_to_depth": export_space_to_depth,
    "resize": export_resize,
}
