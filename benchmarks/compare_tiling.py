"""Whole images through this engine's tiler and through other tilers, on several runtimes.

``python -m benchmarks.compare_tiling --size 2048``: time, peak memory above the image, and the seam
error: the largest difference of a probability, and the labels that differ, from the network's
answer to the whole image in one piece.

- MONAI's ``sliding_window_inference``, overlap 0.25 and 0.5, constant and Gaussian weights;
- nnU-Net's scheme: steps of at most half a window, spread evenly, Gaussian of 1/8 of the window;
- ``tiler``: overlap 0.5, its "overlap-tile" window (the U-Net paper's).

Each gets windows of ``--window`` pixels and the weights of a shipped engine of one input channel and
two classes, on a synthetic image. The images are mirrored beyond their border for all of
them, so that what differs is the tiling.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from benchmarks.compare_runtimes import OURS
from benchmarks.pairs import alternate, write_results
from benchmarks.peers import Peer, Run, export, peers
from benchmarks.trained import trained_module
from pyengine.cli import DEMOS
from train.machine import machine_name

RUNTIMES = ("torch channels_last", "onnxruntime", "openvino")
Tiling = Callable[[Run, np.ndarray, int], np.ndarray]


def monai(overlap: float, mode: str) -> Tiling:
    """MONAI's sliding window on a normalised (H, W) image; logits (K, H, W)."""

    def tile(run: Run, x: np.ndarray, window: int) -> np.ndarray:
        import torch
        from monai.inferers import sliding_window_inference

        answer = sliding_window_inference(
            torch.from_numpy(x)[None, None], (window, window), 1,
            lambda patch: torch.from_numpy(run(patch.numpy())), overlap=overlap, mode=mode,
        )  # fmt: skip
        return answer[0].numpy()

    return tile


def nnunet(run: Run, x: np.ndarray, window: int) -> np.ndarray:
    """The scheme of Isensee 2021: origins spread evenly at steps of at most half a window."""
    from scipy.ndimage import gaussian_filter

    weight = np.zeros((window, window), np.float32)
    weight[window // 2, window // 2] = 1
    weight = gaussian_filter(weight, window / 8, mode="constant")
    weight = np.maximum(weight / weight.max(), 1e-3)
    total: np.ndarray | None = None
    seen = np.zeros(x.shape, np.float32)
    for top in _origins(x.shape[0], window):
        for left in _origins(x.shape[1], window):
            part = np.ascontiguousarray(x[top : top + window, left : left + window])[None, None]
            logits = run(part)[0]
            if total is None:
                total = np.zeros((len(logits), *x.shape), np.float32)
            total[:, top : top + window, left : left + window] += logits * weight
            seen[top : top + window, left : left + window] += weight
    assert total is not None
    return total / seen


def _origins(length: int, window: int) -> list[int]:
    steps = int(np.ceil((length - window) / (window / 2))) + 1
    return [round(i * (length - window) / max(steps - 1, 1)) for i in range(steps)]


def overlap_tile(run: Run, x: np.ndarray, window: int) -> np.ndarray:
    """The package ``tiler`` with its overlap-tile window."""
    from tiler import Merger, Tiler

    cut = Tiler(x.shape, (window, window), overlap=0.5)
    shape, padding = cut.calculate_padding()
    cut.recalculate(data_shape=shape)
    merge = Merger(cut, window="overlap-tile")
    for number, part in cut(np.pad(x, padding, mode="reflect")):
        logits = run(np.ascontiguousarray(part, np.float32)[None, None])[0]
        merge.add(number, logits[1] - logits[0])
    difference = merge.merge(unpad=True, extra_padding=padding)
    return np.stack([np.zeros_like(difference), difference])


TILINGS: dict[str, Tiling] = {
    "monai 0.25 constant": monai(0.25, "constant"),
    "monai 0.25 gaussian": monai(0.25, "gaussian"),
    "monai 0.5 constant": monai(0.5, "constant"),
    "monai 0.5 gaussian": monai(0.5, "gaussian"),
    "nnunet": nnunet,
    "tiler overlap-tile": overlap_tile,
}


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Largest resident set within the block above that at its start, in MB, sampled every 5 ms."""
    page_bytes = 4096

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page_bytes

    start = resident()
    highest = [start]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.005):
            highest[0] = max(highest[0], resident())

    thread = threading.Thread(target=watch)
    thread.start()
    result = [0.0]
    try:
        yield result
    finally:
        stop.set()
        thread.join()
        result[0] = (max(highest[0], resident()) - start) / 1e6


def compare(
    name: str, size: int, window: int, threads: int, rounds: int, only: list[str] | None = None
) -> dict[str, Any]:
    """Times, memory and seams for one square synthetic image of the engine's kind.

    `only` leaves out what has none of these texts in its name, such as "0.25 constant, openvino".
    """
    module = trained_module(name)
    engine = pyengine.Engine(name, threads=threads)
    if engine.info.margin:
        raise ValueError(f"{name}: these tilers need a network that returns its input's size")
    image = DEMOS[name][1](size, size)
    (step,) = engine.info.input["preprocessing"]
    mean, std = np.float32(step["mean"][0]), np.float32(step["std"][0])
    with tempfile.TemporaryDirectory() as folder:
        whole = engine.segment(image, output="probabilities", tile=size, max_memory=1 << 36)
        margin = -(-engine.info.halo // engine.info.alignment) * engine.info.alignment
        calls: dict[str, Any] = {OURS: engine.segment}
        skipped = []
        network = export(module, (1, 1, window, window), Path(folder))
        for peer in peers(network, threads, list(RUNTIMES)):
            if not isinstance(peer, Peer):
                skipped.append(peer)
                continue
            for scheme, tiling in TILINGS.items():
                label = f"{scheme}, {peer.name}"
                if only is None or any(text in label for text in only):
                    calls[label] = _segment(tiling, peer.run, window, margin, mean, std)
        rows: dict[str, dict[str, Any]] = {}
        for label, call in calls.items():
            with peak_memory() as peak_mb:
                answer = call(image)
            rows[label] = {"peak_mb": round(peak_mb[0], 1)}
            if label == OURS:
                probability = engine.segment(image, output="probabilities")[1]
            else:
                probability, answer = answer, (answer > 0.5).astype(np.uint8)
            rows[label]["largest_probability_error"] = float(np.abs(probability - whole[1]).max())
            rows[label]["labels_differing"] = int((answer != whole.argmax(0)).sum())
        ratios = alternate({n: (lambda c=c: c(image)) for n, c in calls.items()}, OURS, rounds)
    for label, ratio in ratios.items():
        rows[label] |= ratio.as_dict()
    title = f"{name}, {size} x {size} px, windows of {window}, {threads} threads"
    return {"title": title, "rows": rows, "skipped": skipped}


def _segment(tiling: Tiling, run: Run, window: int, margin: int, mean: Any, std: Any) -> Any:
    """uint8 image to the foreground's probability, mirrored at the border as we do it."""

    def call(image: np.ndarray) -> np.ndarray:
        padded = np.pad(image, margin, mode="reflect")
        logits = tiling(run, (padded.astype(np.float32) - mean) / std, window)
        inner = logits[:, margin:-margin, margin:-margin]
        return 1 / (1 + np.exp(inner[0] - inner[1]))

    return call


def show(result: dict[str, Any]) -> None:
    """Print one comparison as a table."""
    print(f"\n{result['title']}   (time over ours: median and quartiles of paired rounds)")
    for name, row in result["rows"].items():
        print(
            f"  {name:<40} {row['median_ms']:9.0f} ms  {row['ratio']:5.2f} ({row['ratio_q25']:.2f} to "
            f"{row['ratio_q75']:.2f})  {row['peak_mb']:7.0f} MB  seam error "
            f"{row['largest_probability_error']:.2g}, {row['labels_differing']} labels"
        )
    for line in result["skipped"]:
        print(f"  {line}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=2048, help="side of the image in pixels")
    parser.add_argument("--window", type=int, default=512, help="side of the windows in pixels")
    parser.add_argument("--engine", default="oct-fluid", help="a shipped engine")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="only what has it in its name")
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    print(machine_name(), date.today().isoformat())
    started = time.monotonic()
    result = compare(args.engine, args.size, args.window, args.threads, args.rounds, args.only)
    show(result)
    print(f"{time.monotonic() - started:.0f} s in all")
    if args.json:
        write_results(args.json, [result])


if __name__ == "__main__":
    main()
