"""Where each layer stands between arithmetic and memory: ``python -m benchmarks.roofline``.

Peak of fused multiply-adds and memory bandwidth are measured in the same run as the layers, on as
many threads. Williams, Waterman, Patterson, "Roofline: an insightful visual performance model",
2009. Writes one HTML page and the numbers as JSON.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from pyengine import _core
from pyengine.cli.options import size
from train.machine import machine_name

COLORS = {"winograd": "#0b6e99", "direct": "#c2410c", "depthwise": "#7c3aed"}
OTHER = "#57534e"


def copy_bandwidth(threads: int) -> float:
    """Bytes per second, read and written together, of copies that no cache holds; best of ten."""
    parts = [np.zeros(1 << 25, np.float32) for _ in range(2 * threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(10):
            started = time.perf_counter()
            list(pool.map(np.copyto, parts[:threads], parts[threads:]))
            seconds = time.perf_counter() - started
            best = max(best, 2 * sum(p.nbytes for p in parts[:threads]) / seconds)
    return best


def measure(path: str, height: int, width: int, threads: int, passes: int) -> dict[str, Any]:
    """Ceilings and layers; times in seconds, rates in FLOP/s and bytes/s."""
    engine = pyengine.Engine(path, threads=threads)
    peak = max(_core.multiply_add_rates(engine.info.isa, threads))
    bandwidth = copy_bandwidth(threads)
    layers = engine.profile(height, width, passes)
    return {
        "machine": machine_name(),
        "date": date.today().isoformat(),
        "engine": Path(path).stem,
        "size_px": [height, width],
        "isa": engine.info.isa,
        "threads": threads,
        "peak_flops_per_s": peak,
        "bandwidth_bytes_per_s": bandwidth,
        "layers": [asdict(layer) for layer in layers],
    }


def plot(result: dict[str, Any]) -> str:
    """Both pictures as SVG, base64: the roofline, and the share of time by layer."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    layers = result["layers"]
    total = sum(layer["seconds"] for layer in layers)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(13, 6), width_ratios=(3, 2), layout="constrained"
    )
    peak, bandwidth = result["peak_flops_per_s"], result["bandwidth_bytes_per_s"]
    x = np.logspace(-1, 3.5, 200)
    left.loglog(x, np.minimum(peak, x * bandwidth) / 1e9, color="black", lw=1.5)
    left.text(
        x[-1], peak / 1e9 * 1.08, f"multiply-adds {peak / 1e9:.0f} GFLOP/s", ha="right", fontsize=9
    )
    left.text(0.3, 0.34 * bandwidth / 1e9, f"copying {bandwidth / 1e9:.0f} GB/s", rotation=38, fontsize=9)  # fmt: skip
    shown = set()
    for layer in layers:
        if not layer["flops"]:
            continue
        kind = layer["algorithm"]
        left.scatter(
            layer["flops"] / layer["bytes"], layer["flops"] / layer["seconds"] / 1e9,
            s=20 + 1500 * layer["seconds"] / total, alpha=0.6, color=COLORS.get(kind, OTHER),
            label=None if kind in shown else kind, edgecolors="white",
        )  # fmt: skip
        shown.add(kind)
    left.set(xlabel="FLOP per byte (each tensor read or written once)", ylabel="GFLOP/s")
    left.set_title("Area: share of the time. Winograd does a quarter of its multiplications", fontsize=10)  # fmt: skip
    left.legend(loc="lower right", markerscale=0.5)
    left.grid(which="major", color="#e7e5e4")
    rows = [layer for layer in layers if layer["seconds"] > 0.005 * total][::-1]
    names = [layer["layer"].strip("/").rsplit("/", 1)[0] for layer in rows]
    right.barh(
        range(len(rows)), [1e3 * layer["seconds"] for layer in rows],
        color=[COLORS.get(layer["algorithm"], OTHER) for layer in rows],
    )  # fmt: skip
    right.set_yticks(range(len(rows)), names, fontsize=8)
    right.set(xlabel="ms", title=f"{1e3 * total:.1f} ms in all")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg")
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()


STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;"
    "color:#1c1917}img{width:100%}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "td,th{padding:.15rem .7rem;text-align:right;border-bottom:1px solid #e7e5e4}"
    "td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}"
    ".wide{overflow-x:auto}"
)


def page(result: dict[str, Any]) -> str:
    """The HTML page."""
    total = sum(layer["seconds"] for layer in result["layers"])
    flops = sum(layer["flops"] for layer in result["layers"])
    peak, bandwidth = result["peak_flops_per_s"], result["bandwidth_bytes_per_s"]
    rows = []
    for layer in result["layers"]:
        rate, speed = layer["flops"] / layer["seconds"], layer["bytes"] / layer["seconds"]
        cells = (
            layer["layer"], layer["algorithm"], f"{1e3 * layer['seconds']:.2f}",
            f"{layer['seconds'] / total:.1%}", f"{layer['flops'] / 1e9:.2f}", f"{rate / 1e9:.0f}",
            f"{rate / peak:.0%}", f"{speed / 1e9:.1f}", f"{speed / bandwidth:.0%}",
        )  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>")
    title = (
        f"{result['engine']}, {result['size_px'][0]} x {result['size_px'][1]} px, "
        f"{result['threads']} thread(s), {result['isa']}"
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
        f'content="width=device-width"><title>Roofline: {html.escape(title)}</title>'
        f"<style>{STYLE}</style><h1>Roofline</h1><p>{html.escape(title)}; "
        f"{html.escape(result['machine'])}, {result['date']}.</p>"
        f"<p>{1e3 * total:.1f} ms, {flops / 1e9:.1f} GFLOP of the direct algorithm: "
        f"{flops / total / 1e9:.0f} GFLOP/s, {flops / total / peak:.0%} of the "
        f"{peak / 1e9:.0f} GFLOP/s that multiply-adds on registers reach; copying reaches "
        f"{bandwidth / 1e9:.1f} GB/s. Both measured in this run.</p>"
        f'<img alt="Roofline and time by layer" src="data:image/svg+xml;base64,{plot(result)}">'
        f"<p>Above 100 % of the peak means that Winograd saves more multiplications than it loses "
        f"time. Sizes include the context around the image.</p>"
        f"<div class=wide><table><tr><th>layer<th>algorithm<th>ms<th>of time<th>GFLOP<th>GFLOP/s"
        f"<th>of peak<th>GB/s<th>of copying</tr>{''.join(rows)}</table></div></html>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", help="a shipped engine's name, or a file")
    parser.add_argument("--size", default="512x512", help="HxW in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passes", type=int, default=15)
    parser.add_argument("-o", "--output", type=Path, required=True, help="page; .json beside it")
    args = parser.parse_args()
    height, width = size(args.size, "size")
    result = measure(args.engine, height, width, args.threads, args.passes)
    args.output.write_text(page(result))
    args.output.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    total = sum(layer["seconds"] for layer in result["layers"])
    flops = sum(layer["flops"] for layer in result["layers"])
    print(
        f"{args.output}: {1e3 * total:.1f} ms, {flops / total / 1e9:.0f} GFLOP/s of the direct "
        f"algorithm; multiply-adds {result['peak_flops_per_s'] / 1e9:.0f} GFLOP/s, copying "
        f"{result['bandwidth_bytes_per_s'] / 1e9:.1f} GB/s"
    )


if __name__ == "__main__":
    main()
