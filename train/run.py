"""The folder of a run: what `train.fit` leaves there."""

from __future__ import annotations

import glob
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyengine.distinct_files import check_distinct
from train.config import config_from_dict
from train.settings import TrainConfig

_LEARNED = ("run.json", "best.pt", "best.ckpt", "last.ckpt")
# Patterns of all that a run and its engine write, beside the packed data set.
_WRITTEN = (
    *_LEARNED, "logs/version_*", "tensorboard/version_*",
    "progress/[0-9][0-9][0-9][0-9][0-9].png", "report.html",
    "{name}.pyengine", "{name}.json", "{name}.md",
)  # fmt: skip
# What only a run leaves, from its first step on.
_SIGNS = ("run.json", "last.ckpt", "logs/version_*")


def written_by_run(run: Path, name: str) -> list[Path]:
    """What of a run of the configuration `name` lies in a folder; the packed data set is left out."""
    return _found(run, [pattern.format(name=glob.escape(name)) for pattern in _WRITTEN])


def refuse_loss(run: Path, name: str, overwrite: bool) -> None:
    """Training anew must not destroy what was learned, nor files of which it knows nothing.

    Raises
    ------
    ValueError
        The folder holds a run, finished or not, and `overwrite` is false; or files with names of a
        run's, but no run. The message names the ways out.
    """
    found = written_by_run(run, name)
    if not found:
        return
    first = found[0].relative_to(run)
    if not _found(run, _SIGNS):
        raise ValueError(
            f"{run}: holds {first}, which training would replace, but no run; --output names "
            "another folder"
        )
    if not overwrite:
        raise ValueError(
            f"{run}: holds a run already ({first}); --resume continues it, --overwrite deletes "
            "it, --output names another folder"
        )


def keep_inputs(run: Path, name: str, inputs: Iterable[Path]) -> None:
    """Refuse a run that would delete or replace what it reads; ValueError."""
    written = {*written_by_run(run, name), *(run / learned for learned in _LEARNED)}
    check_distinct(inputs, [(path, "this run") for path in sorted(written)])


def last_state(run: Path, overwrite: bool) -> Path:
    """The state that a run is resumed from.

    Raises
    ------
    FileNotFoundError
        There is none: training would begin anew.
    ValueError
        The run is to be deleted as well.
    """
    if overwrite:
        raise ValueError("--resume continues a run, --overwrite deletes it: give one of them")
    last = run / "last.ckpt"
    if not last.is_file():
        raise FileNotFoundError(
            f"{last}: missing, so there is nothing to resume; without --resume training begins anew"
        )
    return last


def clear_run(run: Path, name: str) -> None:
    """Delete what an earlier run and its engine wrote, so that nothing old gets into new reports.

    The packed data set stays, and so does what somebody else put into the folder.
    """
    for path in written_by_run(run, name):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _found(run: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(run.glob(pattern))]


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
