"""The folder of a run: what `train.fit` leaves there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from train.config import config_from_dict
from train.settings import TrainConfig

_LEARNED = ("run.json", "best.pt", "best.ckpt", "last.ckpt")
_ELSE = ("logs", "progress", "tensorboard", "report.html")


def refuse_finished(run: Path) -> None:
    """Training anew must not destroy what was learned.

    Raises
    ------
    ValueError
        The folder holds a run, finished or not; the message names the ways out.
    """
    found = [name for name in _LEARNED if (run / name).exists()]
    if found:
        raise ValueError(
            f"{run}: holds a run already ({found[0]}); --resume continues it, --overwrite deletes "
            "it, --output names another folder"
        )


def clear_run(run: Path, name: str) -> None:
    """Delete what an earlier run and its engine left, so that nothing old gets into new reports.

    The packed data set stays.
    """
    shipped = tuple(f"{name}.{suffix}" for suffix in ("pyengine", "json", "md"))
    for path in (run / left for left in (*_LEARNED, *_ELSE, *shipped)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


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
