"""The machine's name, for result files and reports."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pyengine import _core


def machine_name() -> str:
    """Model, family, cores and best instruction set, such as ``amd-epyc-family26-2-cores-avx512``."""
    text = Path("/proc/cpuinfo").read_text()

    def field(key: str) -> str:
        match = re.search(rf"^{key}\s*:\s*(.*)$", text, re.MULTILINE)
        return match[1] if match else "unknown"

    model = re.sub(r"[^a-z0-9]+", "-", field("model name").lower()).strip("-")
    cores = len(os.sched_getaffinity(0))
    return f"{model}-family{field('cpu family')}-{cores}-cores-{_core.isas()[0]}"
