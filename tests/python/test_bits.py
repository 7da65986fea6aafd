"""What shipped once keeps its bits, on every instruction set (tests/data/make_logits.py)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import pyengine
from pyengine import _core

DATA = Path(__file__).parent.parent / "data"
sys.path.append(str(DATA))

from make_logits import IMAGES, STORED, digest, tables  # noqa: E402

STORED_DIGESTS = json.loads(STORED.read_text())


@pytest.mark.parametrize(("isa", "accuracy"), tables())
def test_shipped_engines_keep_their_bits(isa: str, accuracy: str) -> None:
    stored = STORED_DIGESTS.get(f"{isa} {accuracy}")
    if stored is None:
        pytest.skip(f"no bits of {isa} {accuracy} are stored: none was at hand")
    found = {f"{n} {h} x {w}": digest(n, h, w, isa, accuracy) for n, h, w in IMAGES}
    assert found == stored


FUSED = [t for t in STORED_DIGESTS if t.endswith(" default") and not t.startswith("portable")]


def test_by_default_every_instruction_set_that_fuses_gives_the_same_bits() -> None:
    assert len(FUSED) > 1
    for table in FUSED:
        assert STORED_DIGESTS[table] == STORED_DIGESTS[FUSED[0]], table


@pytest.mark.parametrize("isa", [i for i in _core.isas() if i not in ("portable", "reference")])
def test_reproducible_is_those_bits(isa: str) -> None:
    name, height, width = IMAGES[2]
    stored = STORED_DIGESTS[FUSED[0]][f"{name} {height} x {width}"]
    assert digest(name, height, width, isa, "reproducible") == stored


@pytest.mark.parametrize("isa", ["portable", "reference"])
def test_reproducible_refuses_other_bits(isa: str) -> None:
    with pytest.raises(pyengine.UnsupportedError, match="other bits"):
        digest(*IMAGES[2], isa, "reproducible")


def test_reproducible_refuses_gpus() -> None:
    with pytest.raises(pyengine.UnsupportedError, match="other bits than the CPU"):
        pyengine.Engine("em-membranes", accuracy="reproducible", device="cuda")
