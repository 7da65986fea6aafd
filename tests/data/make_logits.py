"""Writes logits.json: SHA-256 of the shipped engines' logits on ten generated images, by instruction set.

Run it only where a change means to change bits: ``python tests/data/make_logits.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

import pyengine
from pyengine import _core

STORED = Path(__file__).with_name("logits.json")
# Ten images: (engine, height, width); odd sizes, strips, more than one tile.
IMAGES = [
    ("em-membranes", 96, 80),
    ("em-membranes", 61, 133),
    ("em-membranes", 1, 40),
    ("oct-fluid", 80, 96),
    ("oct-fluid", 49, 121),
    ("retinal-vessels", 64, 97),
    ("retinal-vessels", 113, 40),
    ("ultrasound-nerve", 72, 88),
    ("ultrasound-nerve", 33, 65),
    ("ultrasound-nerve", 120, 17),
]


def tables() -> list[tuple[str, str]]:
    """(instruction set, accuracy) of this machine. The reference calls the C library's functions,
    which round differently from machine to machine; what is fused has the bits of the best."""
    exact = [(isa, "default") for isa in _core.isas() if isa not in ("fused", "reference")]
    return exact + [(isa, "fast") for isa, _ in exact]


def digest(name: str, height: int, width: int, isa: str, accuracy: str) -> str:
    before = os.environ.get("PYENGINE_ISA")
    os.environ["PYENGINE_ISA"] = isa
    try:
        engine = pyengine.Engine(name, accuracy=accuracy, threads=2)
    finally:
        os.environ.pop("PYENGINE_ISA")
        if before is not None:
            os.environ["PYENGINE_ISA"] = before
    shape = (height, width, engine.info.input["channels"])
    random = np.random.default_rng(height * 1000 + width)
    image = random.integers(0, 256, shape, np.uint8)
    logits = engine.segment(image, output="logits")
    return hashlib.sha256(np.ascontiguousarray(logits).tobytes()).hexdigest()


def all_digests() -> dict[str, dict[str, str]]:
    return {
        f"{isa} {accuracy}": {
            f"{name} {height} x {width}": digest(name, height, width, isa, accuracy)
            for name, height, width in IMAGES
        }
        for isa, accuracy in tables()
    }


if __name__ == "__main__":
    before = json.loads(STORED.read_text()) if STORED.exists() else {}
    STORED.write_text(json.dumps(before | all_digests(), indent=1) + "\n")
