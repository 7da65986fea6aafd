"""TensorRT plans inside engine files."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.arguments import positive, tile_sides
from pyengine.atomic_file import write_atomically
from pyengine.builder.container import deserialize, serialize
from pyengine.builder.onnx_export import export_onnx
from pyengine.builder.onnx_write import INPUT
from pyengine.builder.parity import check_tolerance, network_inputs
from pyengine.builder.precision import PrecisionReport, choose_layers
from pyengine.engine import Engine
from pyengine.executor_status import library_folders
from pyengine.inputs.source import random_samples
from pyengine.shipped import resolve


@dataclass(frozen=True)
class PlanReport:
    """What `build_plan` made.

    Attributes
    ----------
    key : dict
        Library, GPU, precision, sizes and hash of the network: all that must agree before the
        plan may run.
    plan_bytes : int
    seconds : float
        Time TensorRT took.
    precision : PrecisionReport or None
        How far float16 lies from float32; None for fp32.
    log : str
        What TensorRT said while it built.
    """

    key: dict[str, Any]
    plan_bytes: int
    seconds: float
    precision: PrecisionReport | None
    log: str


def build_plan(
    engine: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    executor: Literal["tensorrt", "tensorrt-rtx"] = "tensorrt",
    precision: Literal["fp16", "fp32", "int8"] = "fp16",
    tile: int | tuple[int, int] = 512,
    batch_size: int = 8,
    images: Iterable[npt.NDArray[Any]] | None = None,
    tolerance: float | None = None,
) -> PlanReport:
    """Build a TensorRT plan of an engine's network and store it in the engine file.

    The network is written out as strongly typed ONNX, which stays in the file beside the plan.
    With fp16, it is first run in float16 on the CPU and compared with float32: layers that
    float16 cannot hold, or that cost too much accuracy, stay in float32.

    Parameters
    ----------
    engine : path or name
        An engine file, or an engine that ships.
    path : path, optional
        The file to write. Default: `engine` itself is replaced, unless it ships.
    executor : {"tensorrt", "tensorrt-rtx"}
        TensorRT builds on the GPU that the plan is for. TensorRT for RTX builds without one, for
        any GPU that it supports.
    precision : {"fp16", "fp32", "int8"}
        What layers compute in. "int8": convolutions in int8, by scales from `images`, as long as the
        tolerance allows, all else as with "fp16".
    tile : int or (int, int)
        Largest output tile in pixels, for which the plan is tuned; smaller ones run too. Networks
        without tiles take their sample size only.
    batch_size : int
        Most tiles per call.
    images : iterable of ndarray, optional
        Images as for `Engine.segment`, for the comparison with float32 and the scales of int8, which
        needs some. Default: random inputs.
    tolerance : float, optional
        Largest |difference| from float32, as a fraction of the logits' range. Default 1e-2, with
        int8 5e-2.

    Returns
    -------
    PlanReport

    Raises
    ------
    UnsupportedError
        This machine cannot build such plans, or TensorRT refuses the network; with its reason.
    ValueError
        A bad argument, or float16 beyond the tolerance. Nothing is written then.
    ImportError
        onnx or onnxruntime is missing.
    """
    source = resolve(engine)
    if path is None and not Path(engine).is_file():
        raise ValueError(
            f"{engine} ships with pyengine and stays as it is: give a path to write to"
        )
    target = source if path is None else Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent}: no such folder")
    if precision not in ("fp16", "fp32", "int8"):
        raise ValueError(f"precision must be 'fp16', 'fp32' or 'int8', got {precision!r}")
    if precision == "int8" and images is None:
        raise ValueError("int8 needs images, which tell the range of every layer's values")
    check_tolerance(tolerance)
    _, height, width = tile_sides(tile)
    batch = positive("batch_size", batch_size)
    _core.check_engine_file(str(source))
    manifest, graph_json, tensors = deserialize(source.read_bytes())
    weights = {name: t for name, t in tensors.items() if t.dtype != np.uint8}
    checked = None
    if precision != "fp32":
        spec = manifest["input"]
        shape = (1, spec["channels"], *spec["sample_size_px"])
        samples = (
            random_samples(shape)
            if images is None
            else network_inputs(Engine(source, device="cpu"), images, shape)
        )
        checked = choose_layers(graph_json, weights, samples, precision, tolerance)
        if not checked.passed:
            raise ValueError(f"{target}: not written, {precision} differs too much: {checked}")
        if precision == "int8" and not checked.int8_layers:
            raise ValueError(f"{target}: not written, no layer can be in int8: {checked}")
    graph = json.loads(graph_json)
    model = (
        export_onnx(graph, weights, checked.types, checked.scales)
        if checked
        else export_onnx(graph, weights)
    )
    onnx = model.SerializeToString()
    plans: list[dict[str, Any]] = manifest.get("plans", [])
    cache = _timing_cache(plans, tensors, executor)
    network = {
        "graph_json": graph_json,
        "sample_size_px": tuple(manifest["input"]["sample_size_px"]),
        "onnx": onnx,
        "input_name": INPUT,
    }
    settings = {
        "flavour": executor,
        "precision": precision,
        "tile": (height, width),
        "max_batch": batch,
    }
    built = _core.build_plan(network, settings, library_folders(), cache)
    key = {k: list(v) if isinstance(v, tuple) else v for k, v in built["key"].items()}
    entry: dict[str, Any] = {
        "key": key,
        "seconds": round(built["seconds"], 2),
        "built": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if checked:
        entry["parity"] = checked.as_dict()
    plans = [p for p in plans if p["key"] != key]
    free = next(i for i in range(len(plans) + 1) if all(p["plan"] != f"plan/{i}" for p in plans))
    parts = {
        "plan": (f"plan/{free}", built["plan"]),
        "onnx": (f"plan/{key['onnx_sha256'][:16]}.onnx", onnx),
        "log": (f"plan/{free}.log", built["log"].encode()),
        "timing_cache": (f"plan/{free}.cache", built["timing_cache"]),
    }
    for field, (name, data) in parts.items():
        if data:
            entry[field] = name
            tensors[name] = np.frombuffer(data, np.uint8)
    plans.append(entry)
    named = {p[field] for p in plans for field in parts if field in p}
    tensors = {n: t for n, t in tensors.items() if not n.startswith("plan/") or n in named}
    data = serialize(manifest | {"plans": plans}, graph_json, tensors)

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)
        _core.check_engine_file(str(temporary))

    write_atomically(target, write)
    return PlanReport(key, len(built["plan"]), built["seconds"], checked, built["log"])


def _timing_cache(
    plans: list[dict[str, Any]], tensors: dict[str, npt.NDArray[Any]], executor: str
) -> bytes:
    """Of the latest plan of this executor; TensorRT itself refuses one of another GPU."""
    for plan in reversed(plans):
        if plan["key"]["flavour"] == executor and "timing_cache" in plan:
            return tensors[plan["timing_cache"]].tobytes()
    return b""
