"""Outputs of a command replace neither its inputs nor one another."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def check_distinct(inputs: Iterable[Path], outputs: Iterable[tuple[Path, str]]) -> None:
    """Refuse outputs that are an input, or each other, under whatever name.

    Files are told apart by what they are, not by what they are called: links and other spellings
    of a path are seen through.

    Parameters
    ----------
    inputs : iterable of Path
        All files that the command reads.
    outputs : iterable of (Path, str)
        Each file to be written, and what it is made from.

    Raises
    ------
    ValueError
        Names both files, and a way out.
    """
    read = {_identity(path): path for path in inputs}
    written: dict[object, str] = {}
    for output, origin in outputs:
        identity = _identity(output)
        if identity in read:
            raise ValueError(
                f"{output}: this output would replace the input {read[identity]}; give it another "
                "name, or a folder outside those that are read"
            )
        if identity in written:
            raise ValueError(
                f"{output}: would be written twice, for {written[identity]} and for {origin}; "
                "write them to different folders"
            )
        written[identity] = origin


def _identity(path: Path) -> object:
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
