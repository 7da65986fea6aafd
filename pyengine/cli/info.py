"""Verbs that tell about engines and this machine: info, bench."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyengine import _core
from pyengine.cli.format_table import print_formats
from pyengine.cli.image_info import is_image, print_image
from pyengine.cli.options import open_engine, size, tile_options
from pyengine.engine import Engine
from pyengine.executor_status import executors
from pyengine.info import LayerTime
from pyengine.outputs import NamedOutput
from pyengine.shipped import engines
from pyengine.volumes.recipe import Recipe, recipe_of


def run_info(args: argparse.Namespace) -> int:
    if args.executors:
        for status in executors():
            print(f"{status.name}: {status.detail or 'not found'}")
            print(f"  runs networks: {'yes' if not status.why_not else f'no, {status.why_not}'}")
            if status.name != "cpu" and status.why_no_build != status.why_not:
                can = "yes" if not status.why_no_build else f"no, {status.why_no_build}"
                print(f"  builds plans:  {can}")
        return 0
    if args.formats:
        print_formats()
        return 0
    if args.engine is None:
        for name in engines():
            print(name)
        return 0
    if is_image(args.engine):
        print_image(args)
        return 0
    engine = Engine(args.engine)
    i = engine.info
    if args.json:
        print(json.dumps(dict(i.manifest), indent=2, ensure_ascii=False))
        return 0
    flops_unit = "per image" if i.task == "classification" else "per pixel"
    steps = ", ".join(
        f"{s['name']}({', '.join(f'{k}={v}' for k, v in s.items() if k != 'name')})"
        for s in i.input["preprocessing"]
    )
    rows = [
        ("file", i.path),
        ("task", i.task),
        ("classes", ", ".join(f"{n} = {name}" for n, name in enumerate(i.classes))),
        ("input", f"{i.input['channels']} channel(s), {i.input['dtype']}; {steps or 'as it is'}"),
        ("output", f"{i.outputs} channel(s), {i.activation}"),
        ("parameters", f"{i.parameters:,}"),
        ("FLOPs", f"{i.flops_per_pixel:,.0f} {flops_unit}"),
        ("executor", f"{i.device}, {i.gpu or i.isa}, {i.threads} thread(s)"),
    ]
    if i.results:
        rows[4] = ("outputs", "; ".join(_result_line(result) for result in i.results))
    if i.why_not_cpu:
        others = ", ".join(i.manifest["executor"]["operators"])
        rows[7] = ("executor", f"onnxruntime, {i.threads} thread(s): {i.why_not_cpu}"
                   + (f"; operators that the CPU engine lacks: {others}" if others else ""))  # fmt: skip
    if (recipe := recipe_of(i.manifest)) is not None:
        rows.insert(4, ("volumes", _recipe_line(recipe)))
    if slow := why_slow(i.isa):
        rows.append(("note", slow))
    if i.tileable:
        rows += [
            ("receptive field", f"{i.receptive_field} px"),
            ("halo", f"{i.halo} px"),
            ("alignment", f"{i.alignment} px"),
        ]
    else:
        rows.append(("no exact tiles", i.not_tileable_reason))
    if i.parity:
        rows.append(
            ("parity", f"{i.parity['relative_error']:.2g} of the output's range, labels agree on "
             f"{100 * i.parity['label_agreement']:.4f} %")
        )  # fmt: skip
    rows += [("plan", plan_line(plan["key"])) for plan in i.manifest.get("plans", [])]
    rows += [
        (k, json.dumps(v, ensure_ascii=False) if not isinstance(v, str) else v)
        for k, v in i.provenance.items()
    ]
    width = max(len(k) for k, _ in rows)
    for key, value in rows:
        print(f"{key:<{width}}  {value}")
    name_width = max([4, *(len(layer.name) for layer in i.layers)])
    print(f"\n{'layer':<{name_width}}  {'op':<18} {'channels':>8} {'stride':>6} "
          f"{'parameters':>11} {'FLOPs/px':>12}")  # fmt: skip
    for layer in i.layers:
        print(f"{layer.name:<{name_width}}  {layer.op:<18} {layer.channels:>8} "
              f"{layer.stride_px:>6g} {layer.parameters:>11,} {layer.flops_per_pixel:>12,.0f}")  # fmt: skip
    return 0


def _recipe_line(recipe: Recipe) -> str:
    spacing = " x ".join(f"{step:g}" for step in recipe.spacing_mm)
    slices = ", slices as they are" if recipe.by_slices else ""
    channels = ", ".join(
        how.name + " in the mask" * how.within_mask for how in recipe.normalisation
    )
    return f"prepared to {spacing} mm{slices}; {channels}"


def _result_line(result: NamedOutput) -> str:
    times = f"1/{result.shrink} of" if result.shrink > 1 else f"{result.enlarge} times"
    size = "" if result.shrink == result.enlarge else f", {times} the image's resolution"
    return f"{result.name}: {result.channels} channel(s), {result.activation}{size}"


def why_slow(isa: str) -> str:
    """Why a CPU engine is slower than it could be; empty where it is not."""
    if isa not in ("portable", "fused", "reference"):
        return ""
    best = _core.isas()[0]
    if isa == best:
        return "slow: there are no vectorised kernels for this processor"
    return f"slow: {isa} kernels were asked for by PYENGINE_ISA, this processor has {best}"


def run_bench(args: argparse.Namespace) -> int:
    if args.repeat < 1:
        raise ValueError(f"repeat must be >= 1, got {args.repeat}")
    height, width = size(args.size, "size")
    engine = open_engine(args)
    options = tile_options(args)
    channels = engine.info.input["channels"]
    shape = (height, width) if channels == 1 else (height, width, channels)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    started = time.perf_counter()
    engine.segment(image, **options)
    first = time.perf_counter() - started
    times = []
    for _ in range(args.repeat):
        started = time.perf_counter()
        engine.segment(image, **options)
        times.append(time.perf_counter() - started)
    p50, p95 = np.percentile(times, [50, 95])
    cut = "in one piece"
    if engine.info.tileable:
        plan = engine.plan(height, width, **options)
        cut = f"in {plan.grid[0]} x {plan.grid[1]} tile(s) of {plan.tile[0]} x {plan.tile[1]}"
    print(
        f"{engine.info.isa}, {engine.info.threads} thread(s), {height} x {width} px {cut}: "
        f"first {1e3 * first:.1f} ms, p50 {1e3 * p50:.1f} ms, p95 {1e3 * p95:.1f} ms, "
        f"max {1e3 * max(times):.1f} ms, {height * width / p50 / 1e6:.2f} Mpx/s"
    )
    if args.layers:
        _print_layer_times(engine.profile(height, width, args.repeat))
    return 0


def _print_layer_times(layers: Sequence[LayerTime]) -> None:
    if not layers:
        print("this executor does not tell times by layer")
        return
    total = sum(layer.seconds for layer in layers)
    name_width = max(5, *(len(layer.layer) for layer in layers))
    print(f"\n{'layer':<{name_width}}  {'algorithm':<12} {'ms':>8} {'share':>6} {'GFLOP/s':>8} {'GB/s':>6}")  # fmt: skip
    for layer in layers:
        print(
            f"{layer.layer:<{name_width}}  {layer.algorithm:<12} {1e3 * layer.seconds:>8.2f} "
            f"{layer.seconds / total:>6.1%} {layer.flops / layer.seconds / 1e9:>8.0f} "
            f"{layer.bytes / layer.seconds / 1e9:>6.1f}"
        )
    print(f"{'in one piece':<{name_width}}  {'':<12} {1e3 * total:>8.2f}")


def plan_line(key: Mapping[str, Any]) -> str:
    gpu = "any GPU" if key["gpu"] == "any" else f"{key['gpu']} ({key['compute_capability']})"
    sizes = " to ".join(" x ".join(map(str, key[k])) for k in ("min_size_px", "max_size_px"))
    return (
        f"{key['flavour']} {key['version']}, {gpu}, {key['precision']}, inputs of {sizes} px, "
        f"batches up to {key['max_batch']}"
    )
