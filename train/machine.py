"""The machine's name, for result files and reports."""

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
    text = Path("/proc/cpuinfo").read_text()

    def field(key: str) -> str:
        match = re.search(rf"^{key}\s*:\s*(.*)$", text, re.MULTILINE)
        return match[1] if match else "unknown"

    name = re.sub(r"[^a-z0-9]+", "-", field("model name").lower()).strip("-")
    kind = f"family{field('cpu family')}-model{field('model')}"
    cores = len(os.sched_getaffinity(0))
    matrix_unit = "-amx" if "amx_bf16" in field("flags").split() else ""
    return f"{name}-{kind}-{cores}-cores-{_core.isas()[0]}{matrix_unit}"
