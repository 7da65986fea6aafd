"""The engines inside the package."""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = Path(__file__).parent / "engines"
_SUFFIX = ".pyengine"


def engines() -> list[str]:
    """Names of the engines that ship with the package, sorted.

    Returns
    -------
    list of str
        Each may be given to `Engine` in place of a path.
    """
    return sorted(path.stem for path in _FOLDER.glob(f"*{_SUFFIX}"))


def resolve(path_or_name: str | os.PathLike[str]) -> Path:
    """Path of an engine file, or of a shipped engine by name.

    Raises
    ------
    FileNotFoundError
        Neither a file nor a shipped name; the message lists the names.
    """
    path = Path(path_or_name)
    if path.is_file():
        return path
    shipped = _FOLDER / f"{path_or_name}{_SUFFIX}"
    if path.name == str(path_or_name) and shipped.is_file():
        return shipped
    raise FileNotFoundError(
        f"{os.fspath(path_or_name)}: no such engine file, and no engine of that name ships; "
        f"shipped: {', '.join(engines()) or 'none'}"
    )
