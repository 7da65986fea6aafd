"""nnU-Net's network over volumes through this engine and other runtimes, alternated in one process.

``python -m benchmarks.volumes --stages 4 --patch 64x64x64``: the network alone, float32, random
weights; peers are OpenVINO, onnxruntime and PyTorch. Their times are divided by ours.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from benchmarks.compare_runtimes import OURS, exact_answer, relative_rms
from benchmarks.pairs import alternate
from benchmarks.peers import Peer, Run, export, peers

PEERS = ["openvino", "onnxruntime", "torch"]


def nnunet(base: int, stages: int) -> Any:
    """nnU-Net's PlainConvUNet of 3-D configurations, one channel to three classes."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from torch import nn

    torch.manual_seed(0)
    return PlainConvUNet(
        1, stages, [min(base << stage, 320) for stage in range(stages)], nn.Conv3d, 3,
        [1] + [2] * (stages - 1), 2, 3, [2] * (stages - 1), conv_bias=True,
        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True},
    ).eval()  # fmt: skip


def compare(
    base: int, stages: int, patch: tuple[int, ...], threads: int, rounds: int, wanted: list[str]
) -> dict[str, Any]:
    """Times of all, theirs over ours, and relative errors against float64."""
    module = nnunet(base, stages)
    shape = (1, 1, *patch)
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pyengine"
        pyengine.build(module, path, sample_shape=(1, 1, *[2 << (stages - 1)] * 3))
        engine = pyengine.Engine(path, threads=threads)
        runs: dict[str, Run] = {OURS: engine.run}
        for peer in peers(export(module, shape, Path(folder)), threads, wanted):
            if isinstance(peer, Peer):
                runs[peer.name] = peer.run
            else:
                print(f"  without {peer}")
        exact = exact_answer(module, x)
        errors = {name: relative_rms(run(x), exact) for name, run in runs.items()}
        ratios = alternate({n: (lambda r=r: r(x)) for n, r in runs.items()}, OURS, rounds)
        flops = engine.info.flops_per_pixel
        return {
            name: ratio.as_dict() | {"relative_rms": errors[name], "flops": flops}
            for name, ratio in ratios.items()
        }


def layers(base: int, stages: int, patch: tuple[int, ...], threads: int) -> None:
    """Where our time goes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pyengine"
        pyengine.build(nnunet(base, stages), path, sample_shape=(1, 1, *[2 << (stages - 1)] * 3))
        engine = pyengine.Engine(path, threads=threads)
        times = engine.profile(*patch[1:], passes=5, depth=patch[0])
        total = sum(layer.seconds for layer in times)
        for layer in times:
            rate = layer.flops / layer.seconds / 1e9
            print(f"{1e3 * layer.seconds:8.2f} ms {100 * layer.seconds / total:5.1f} % "
                  f"{rate:7.1f} GFLOP/s  {layer.algorithm:12} {layer.layer}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=int, default=32)
    parser.add_argument("--stages", type=int, default=4)
    parser.add_argument("--patch", default="64x64x64")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peers", nargs="*", default=PEERS)
    parser.add_argument("--layers", action="store_true", help="our times, layer by layer")
    args = parser.parse_args()
    patch = tuple(int(n) for n in args.patch.split("x"))
    if args.layers:
        layers(args.base, args.stages, patch, args.threads)
        return
    found = compare(args.base, args.stages, patch, args.threads, args.rounds, args.peers)
    for name, row in found.items():
        print(f"{name:14} {row['median_ms']:9.1f} ms  {row['ratio']:5.2f} times ours "
              f"({row['ratio_q25']:.2f} to {row['ratio_q75']:.2f})  rms {row['relative_rms']:.2g}")  # fmt: skip


if __name__ == "__main__":
    main()
