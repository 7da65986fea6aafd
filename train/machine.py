"""The machine: its name, for result files and reports, and what its processor has."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pyengine import _core


def machine_name() -> str:
    """Processor, cores and best instruction set: ``amd-epyc-family25-model17-2-cores-avx512``.

    Virtual machines call many processors the same; family and model number tell them apart, and
    ``-amx`` at the end those that may use their matrix unit.
    """
    name = re.sub(r"[^a-z0-9]+", "-", _field("model name").lower()).strip("-")
    kind = f"family{_field('cpu family')}-model{_field('model')}"
    cores = len(os.sched_getaffinity(0))
    matrix_unit = "-amx" if "amx_bf16" in _field("flags").split() else ""
    return f"{name}-{kind}-{cores}-cores-{_core.isas()[0]}{matrix_unit}"


def has_bfloat16_units() -> bool:
    """Whether the processor multiplies bfloat16 itself: AVX-512 BF16, AMX, or ARM's."""
    flags = f"{_field('flags')} {_field('Features')}".split()
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def _field(key: str) -> str:
    text = Path("/proc/cpuinfo").read_text()
    match = re.search(rf"^{key}\s*:\s*(.*)$", text, re.MULTILINE)
    return match[1] if match else "unknown"
