"""Who makes which result of a folder: locks of the operating system, which end with their process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

LOCKS = ".pyengine-locks"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


class Claims:
    """Results that this process makes, so that others which write into the folder do not.

    A result is one byte of a file of locks: nothing is left to clean up after a process that was
    killed, and network file systems pass such locks on. Where a file system has none, each process
    makes all. For use by one thread of a process.
    """

    def __init__(self) -> None:
        # Closing any handle of a file gives up all of the process's locks on it.
        self._handles: dict[Path, int] = {}
        self._removed: list[int] = []

    def take(self, target: Path, name: str, *, wait: bool = False) -> bool:
        """Claim a result.

        Parameters
        ----------
        target : Path
            The file, in a folder that is there.
        name : str
            Of the result in the folder.
        wait : bool
            Until the process that has it gives it up or ends. Hold no other claim meanwhile: that
            process may wait for it.

        Returns
        -------
        bool
            False where another process has it.
        """
        how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        folder = target.parent.resolve()
        while True:
            handle = self._handle(folder)
            try:
                fcntl.lockf(handle, how, 1, _place(name))
            except (BlockingIOError, PermissionError):
                return False
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                return True
            if _is_at(handle, folder / LOCKS):
                return True
            # Who came to an end removed the file; locks that we hold in it are our own matter.
            self._removed.append(self._handles.pop(folder))

    def give_up(self, target: Path, name: str) -> None:
        """What `take` gave."""
        with contextlib.suppress(OSError):
            fcntl.lockf(self._handle(target.parent.resolve()), fcntl.LOCK_UN, 1, _place(name))

    def close(self) -> None:
        """Give up all, and remove files of locks that nobody else uses."""
        for folder, handle in self._handles.items():
            with contextlib.suppress(OSError):
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(handle, folder / LOCKS):
                    (folder / LOCKS).unlink()
        for handle in (*self._handles.values(), *self._removed):
            os.close(handle)
        self._handles.clear()
        self._removed.clear()

    def _handle(self, folder: Path) -> int:
        if folder not in self._handles:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._handles[folder] = os.open(folder / LOCKS, flags, 0o666)
        return self._handles[folder]


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


@contextlib.contextmanager
def claims() -> Iterator[Claims]:
    """Claims that end with the block."""
    made = Claims()
    try:
        yield made
    finally:
        made.close()


def _place(name: str) -> int:
    """A byte of its own for each name; offsets have 63 bits, of which some systems take 62."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
