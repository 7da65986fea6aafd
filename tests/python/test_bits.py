"""What shipped once keeps its bits, on every instruction set (tests/data/make_logits.py)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

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
