"""How far logits are from those of the same weights in float64: ``python -m benchmarks.float64_errors``.

Each engine that ships, on a phantom of its kind, by every table of kernels that this machine has.
"""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pyengine
from benchmarks.pairs import write_results
from benchmarks.trained import trained_module
from pyengine import _core, phantoms
from train.machine import machine_name

# Relative root mean square error of logits that no engine that ships may exceed. Rounding grows
# with the depth of a network: these have up to 46 convolutions. A few times what was measured.
BOUNDS = {"default": 1e-6, "fast": 4e-6, "fast, AMX": 1e-4}
SIZE_PX = 256
IMAGES = {
    "em-membranes": phantoms.synthetic_em,
    "oct-fluid": lambda h, w: phantoms.oct_phantom(h, w, "DME").image,
    "retinal-vessels": lambda h, w: phantoms.fundus_phantom(h, w)[0],
    "ultrasound-nerve": lambda h, w: phantoms.nerve_phantom(h, w)[0],
}


@functools.cache
def truth(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Normalised input and the logits of the network in float64."""
    engine = pyengine.Engine(name)
    info = engine.info
    rest = info.input["sample_size_px"][0] % info.alignment
    side = SIZE_PX // info.alignment * info.alignment + rest
    x = engine.normalise(np.ascontiguousarray(IMAGES[name](side, side)))[np.newaxis]
    with torch.no_grad():
        return x, trained_module(name).double()(torch.from_numpy(x).double()).numpy()


def error(name: str, isa: str, accuracy: str) -> dict[str, Any]:
    """Root mean square and largest error of the logits, both relative to those of the truth."""
    x, want = truth(name)
    before = os.environ.get("PYENGINE_ISA")
    os.environ["PYENGINE_ISA"] = isa
    try:
        got = pyengine.Engine(name, device="cpu", accuracy=accuracy).run(x)
    finally:
        os.environ.pop("PYENGINE_ISA") if before is None else os.environ.update(PYENGINE_ISA=before)
    difference = got - want
    kind = "fast, AMX" if isa == "amx" else accuracy
    return {
        "engine": name,
        "isa": isa,
        "accuracy": kind,
        "bound": BOUNDS[kind],
        "relative_rms": float(np.sqrt((difference**2).mean() / (want**2).mean())),
        "largest_over_range": float(np.abs(difference).max() / np.ptp(want)),
        "labels_that_differ": float((got.argmax(axis=1) != want.argmax(axis=1)).mean()),
    }


def errors(names: list[str]) -> Iterator[dict[str, Any]]:
    """Of all tables of kernels in every accuracy that they serve."""
    for name in names:
        for accuracy in ("default", "fast"):
            for isa in _core.isas(fast=accuracy == "fast"):
                yield error(name, isa, accuracy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    folder = Path(__file__).parent / "results"
    parser.add_argument("-o", "--output", type=Path, help="JSON file of results")
    args = parser.parse_args()
    found = list(errors(pyengine.engines()))
    for row in found:
        print(*row.values())
    write_results(args.output or folder / f"{machine_name()}-float64-errors.json", found)


if __name__ == "__main__":
    main()
