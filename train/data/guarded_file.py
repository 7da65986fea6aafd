"""A file whose failed writes are remembered instead of raised, for the HDF5 library's sake."""

from __future__ import annotations

import io
from pathlib import Path


class GuardedFile(io.RawIOBase):
    """Read-write file for `h5py.File`; after a failed write all further ones are dropped.

    The HDF5 library ends the process when a flush at the close of a file finds the disk full.
    Here the library believes that everything was written, closes in good order, and the caller
    raises `error` afterwards.

    Parameters
    ----------
    path : Path
        Created or emptied.

    Attributes
    ----------
    error : OSError or None
        The first failure.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115
        self.error: OSError | None = None

    def write(self, data) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.error is None and done < len(view):
                done += self._file.write(view[done:])
        except OSError as error:
            self.error = error
        if done < len(view):
            self._file.seek(len(view) - done, io.SEEK_CUR)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size) if self.error is None else (size or 0)
        except OSError as error:
            self.error = error
            return size or 0

    def readinto(self, buffer) -> int:
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view)
        view[count:] = bytes(len(view) - count)  # what was dropped reads as zeros
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def raise_error(self) -> None:
        """Raise the remembered failure, if there is one."""
        if self.error is not None:
            raise self.error
