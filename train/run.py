"""The record of a finished run, as `train.fit` leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from train.config import TrainConfig, config_from_dict


def read_run(run: Path) -> tuple[dict[str, Any], TrainConfig]:
    """Record and configuration from ``run/run.json``.

    Raises
    ------
    FileNotFoundError
        The folder is not that of a finished run.
    """
    file = run / "run.json"
    if not file.is_file():
        raise FileNotFoundError(f"{file}: missing; `python -m train fit` writes it at its end")
    record = json.loads(file.read_text())
    return record, config_from_dict(record["config"], str(file))
