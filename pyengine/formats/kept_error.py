"""A file that keeps its first error to itself until it is closed.

The HDF5 library ends the process when a write fails while it closes a file. So it gets a file whose
writes seem to work; what failed is raised afterwards, when the library has let go.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class KeptErrorFile:
    """What h5py asks of a file object; see the module."""

    def __init__(self, file: io.FileIO) -> None:
        self.error: OSError | None = None
        self._file = file
        self.seek, self.tell, self.read, self.readinto = (
            file.seek,
            file.tell,
            file.read,
            file.readinto,
        )

    def write(self, content: Any) -> int:
        """Write all of it, unless something failed before."""
        left = memoryview(content).cast("B")
        size = len(left)
        try:
            while left and self.error is None:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int) -> int:
        """As of files."""
        try:
            if self.error is None:
                self._file.truncate(size)
        except OSError as error:
            self.error = error
        return size

    def flush(self) -> None:
        """As of files, whose content the caller brings to the disk."""

    def check(self) -> None:
        """Raise what was kept."""
        if self.error is not None:
            raise self.error


@contextmanager
def keeping_errors(path: Path) -> Iterator[KeptErrorFile]:
    """The file at `path`, for reading and writing; made where it is not there.

    Raises
    ------
    OSError
        At the end: what failed first.
    """
    with io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+") as raw:
        file = KeptErrorFile(raw)
        try:
            yield file
        finally:
            error, file.error = file.error, None
            try:
                if error is not None:
                    raise error
            finally:
                del error  # whose frames would keep it, and what they hold open
