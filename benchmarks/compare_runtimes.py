"""The same weights through this engine and through other runtimes, alternated in one process.

``python -m benchmarks.compare_runtimes --base 32 --size 512x512``: the network alone, float32;
``--network``: nnU-Net's own 2-D network, with instance norm and leaky ReLU, and others of
`known_networks.py`.
``--scan``: an OCT B-scan end to end, from uint8 pixels to uint8 labels, with the network of the
shipped engine ``--engine``; the others with NumPy before and after.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from benchmarks.known_networks import KNOWN, Known
from benchmarks.pairs import alternate, write_results
from benchmarks.peers import Network, Peer, Run, export, peers
from benchmarks.trained import trained_module
from pyengine.cli.options import size
from pyengine.phantoms import oct_phantom
from train.machine import machine_name

OURS = "pyengine"
NO_CONTEXT = ", no context"


def unet(base: int) -> Any:
    """U-Net of depth 4 with batch norm, one channel to two classes, random weights."""
    from train.models import UNetConfig

    return randomized(UNetConfig(base_width=base, padding="same"))


# By name.
NETWORKS = {"unet": Known(unet, multiple=16)} | KNOWN


def randomized(config: Any) -> Any:
    """A network whose batch norms have statistics, as after training."""
    import torch

    from train.models import build_network

    torch.manual_seed(0)
    network = build_network(config).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(2, config.in_channels, 96, 96))
    return network.eval()


def relative_rms(got: np.ndarray, want: np.ndarray) -> float:
    """Root mean square difference over the root mean square."""
    difference = got.astype(np.float64) - want
    return float(np.sqrt((difference**2).mean() / (want.astype(np.float64) ** 2).mean()))


def exact_answer(module: Any, x: np.ndarray) -> np.ndarray:
    """By PyTorch in float64."""
    import copy

    import torch

    with torch.inference_mode():
        return copy.deepcopy(module).double()(torch.from_numpy(x).double()).numpy()


def end_to_end(run: Run, step: dict[str, Any], window: np.ndarray, top: int) -> Any:
    """What a user of another runtime writes around it: normalise, mirror, run, crop, argmax."""
    mean, std = np.float32(step["mean"][0]), np.float32(step["std"][0])

    def call(image: np.ndarray) -> np.ndarray:
        height, width = image.shape
        below, right = window[0] - top - height, window[1] - top - width
        padded = np.pad(image, ((top, below), (top, right)), mode="reflect")
        x = (padded.astype(np.float32) - mean) / std
        logits = run(np.ascontiguousarray(x[None, None]))[0]
        return logits[:, top : top + height, top : top + width].argmax(0).astype(np.uint8)

    return call


def compare_network(
    network: str, base: int, size: tuple[int, int], threads: int, rounds: int, wanted: Any
) -> dict[str, Any]:
    """Times and errors of the network alone."""
    known = NETWORKS[network]
    module = known.make(base)
    shape = (1, known.channels, *size)
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pyengine"
        side = max(64, 2 * known.multiple)
        pyengine.build(module, path, sample_shape=(1, known.channels, side, side))
        engine = pyengine.Engine(path, threads=threads)
        fast = pyengine.Engine(path, threads=threads, accuracy="fast")
        runs: dict[str, Run] = {OURS: engine.run, f"{OURS} fast": fast.run}
        skipped = _add_peers(runs, export(module, shape, Path(folder)), threads, wanted)
        exact = exact_answer(module, x)
        errors = {name: relative_rms(run(x), exact) for name, run in runs.items()}
        ratios = alternate({n: (lambda r=r: r(x)) for n, r in runs.items()}, OURS, rounds)
    rows = {n: r.as_dict() | {"relative_rms_error": errors[n]} for n, r in ratios.items()}
    isas = f"{engine.info.isa}, fast by {fast.info.isa}"
    title = f"{network} base {base}, {size[0]} x {size[1]}, {threads} threads, {isas}"
    return {"title": title, "rows": rows, "skipped": skipped}


def compare_scan(name: str, threads: int, rounds: int, wanted: Any) -> dict[str, Any]:
    """Times of one B-scan of 496 x 768 px, end to end.

    Twice for the others: mirrored at the border as far as the network sees, which gives our answer,
    and enlarged only to a size that the network takes, which is less work and another answer there.
    """
    module = trained_module(name)
    image = oct_phantom(496, 768).image
    engine = pyengine.Engine(name, threads=threads)
    (step,) = engine.info.input["preprocessing"]
    grid = engine.info.alignment
    halo = -(-engine.info.halo // grid) * grid
    fast = pyengine.Engine(name, threads=threads, accuracy="fast")
    calls: dict[str, Any] = {OURS: engine.segment, f"{OURS} fast": fast.segment}
    skipped: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        for label, top in (("", halo), (NO_CONTEXT, 0)):
            window = np.array([-(-(n + 2 * top) // grid) * grid for n in image.shape])
            shape = (1, 1, int(window[0]), int(window[1]))
            folder = Path(temporary) / f"{top}"
            folder.mkdir()
            networks: dict[str, Run] = {OURS: engine.run} if label else {}
            skipped = _add_peers(networks, export(module, shape, folder), threads, wanted)
            for peer, run in networks.items():
                calls[peer + label] = end_to_end(run, step, window, top)
        ours = engine.segment(image)
        differing = {n: int((call(image) != ours).sum()) for n, call in calls.items()}
        ratios = alternate({n: (lambda c=c: c(image)) for n, c in calls.items()}, OURS, rounds)
    rows = {n: r.as_dict() | {"labels_differing": differing[n]} for n, r in ratios.items()}
    title = f"B-scan 496 x 768 end to end, {name}, {threads} threads"
    return {"title": title, "rows": rows, "skipped": skipped}


def _add_peers(runs: dict[str, Run], network: Network, threads: int, wanted: Any) -> list[str]:
    skipped = []
    for peer in peers(network, threads, wanted):
        if isinstance(peer, Peer):
            runs[peer.name] = peer.run
        else:
            skipped.append(peer)
    return skipped


def show(result: dict[str, Any]) -> None:
    """Print one comparison as a table."""
    print(f"\n{result['title']}   (time over ours: median and quartiles of paired rounds)")
    for name, row in result["rows"].items():
        extra = {k: v for k, v in row.items() if "ratio" not in k and k != "median_ms"}
        text = "  ".join(f"{k} {v:.3g}" for k, v in extra.items())
        print(
            f"  {name:<32} {row['median_ms']:9.1f} ms   {row['ratio']:5.2f} "
            f"({row['ratio_q25']:.2f} to {row['ratio_q75']:.2f})   {text}"
        )
    for line in result["skipped"]:
        print(f"  {line}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=NETWORKS, default="unet")
    parser.add_argument("--base", type=int, nargs="*", default=[32], help="base widths")
    parser.add_argument(
        "--size",
        nargs="*",
        default=["512x512"],
        help="HxW in pixels, multiples of 16 (nnunet: 128)",
    )
    parser.add_argument("--scan", action="store_true", help="the B-scan end to end instead")
    parser.add_argument("--engine", default="oct-fluid", help="of the B-scan")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--peers", nargs="*", help="only these")
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    print(machine_name(), date.today().isoformat())
    results = []
    if args.scan:
        results.append(compare_scan(args.engine, args.threads, args.rounds, args.peers))
        show(results[-1])
    else:
        for base in args.base:
            for text in args.size:
                height, width = size(text, "size")
                results.append(
                    compare_network(
                        args.network, base, (height, width), args.threads, args.rounds, args.peers
                    )
                )
                show(results[-1])
    if args.json:
        write_results(args.json, results)


if __name__ == "__main__":
    main()
