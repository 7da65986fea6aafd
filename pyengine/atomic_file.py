"""Files and folders that are complete or absent, never half-written."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_MARK = ".pyengine-unfinished-"
_LEFTOVER = re.compile(rf"\..*{re.escape(_MARK)}([a-z0-9]*)-[a-z0-9_]{{8}}", re.DOTALL)
_IDLE_S = 24 * 3600.0


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write(temporary)``, then rename to `path`; nothing is left behind on failure.

    The content is on the disk before the name appears. What a killed run left behind is hidden,
    and the next process that writes into the folder removes it.

    Parameters
    ----------
    path : Path
        Destination. A file there is replaced and leaves its permissions, a folder never. A link
        is replaced itself; what it led to stays.
    write : callable
        Creates the file or folder whose name it is given: that of `path`, in a hidden folder
        beside it.

    Raises
    ------
    FileExistsError
        `path` is a folder, or something else that is no file.
    """
    _replace(path, write, contextlib.nullcontext)


def update_atomically(path: Path, change: Callable[[Path], object]) -> None:
    """Call ``change(copy)`` on a copy of an existing file, then put the copy in its place.

    The file stays as it was until then, and on failure. Its folder needs room for the copy.

    Parameters
    ----------
    path : Path
        A file. Where it is a link, the file that it leads to is changed.
    change : callable
        Changes the file whose name it is given.

    Raises
    ------
    PermissionError
        The file is write-protected.
    OSError
        Another program changed the file meanwhile; its change is kept, this one is not made.
    """
    path = path.resolve(strict=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is write-protected", str(path))

    def write(temporary: Path) -> None:
        shutil.copy2(path, temporary)
        change(temporary)

    before = _state(path)
    # Only the last moments are locked: others may add to the file while ours is computed.
    _replace(path, write, lambda: _unchanged(path, before))


@contextlib.contextmanager
def _unchanged(path: Path, before: tuple[int, ...]) -> Iterator[None]:
    with _locked_against_writers(path):
        if _state(path) != before:
            raise OSError(f"{path}: another program changed it meanwhile; nothing was added")
        yield


def _replace(
    path: Path,
    write: Callable[[Path], object],
    guard: Callable[[], contextlib.AbstractContextManager[None]],
) -> None:
    """`write_atomically`; the name appears within `guard`."""
    refuse_what_is_no_file(path)
    with _naming(path), _hidden_folder(path) as folder:
        temporary = folder / path.name
        write(temporary)
        if path.is_file() and not path.is_symlink() and temporary.is_file():
            status = path.stat()
            os.chmod(temporary, stat.S_IMODE(status.st_mode))
            with contextlib.suppress(PermissionError):  # only root gives files away
                os.chown(temporary, status.st_uid, status.st_gid)
        _flush(temporary)
        if temporary.is_dir() and path.exists():
            raise FileExistsError(f"{path}: exists already; a folder replaces nothing")
        with guard():
            os.replace(temporary, path)
        _flush_folder(path.parent)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What the system says of a descriptor gets the name of what is written."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def _locked_against_writers(path: Path) -> Iterator[None]:
    """Keep out programs that lock what they write, as the HDF5 library does."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(f"{path}: another program is writing to it; try again later") from error
        except OSError:  # a file system without locks
            pass
        yield


def refuse_what_is_no_file(path: Path) -> None:
    """Raise FileExistsError where `path` is there and cannot be replaced by a file."""
    if path.is_dir():
        raise FileExistsError(f"{path}: is a folder, which is never replaced; choose another name")
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path}: exists and is no file; choose another name")


def _state(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@contextlib.contextmanager
def _hidden_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, locked while this process lives, removed at the end."""
    _remove_leftovers(path.parent.resolve())
    # Names may have 255 bytes at most, and a character up to four.
    folder, lock = _locked_folder(path.parent, f".{path.name[:50]}{_MARK}{_kernel()}-")
    try:
        yield folder
    finally:
        _remove(folder, path.name)
        os.close(lock)


def _remove(folder: Path, name: str) -> None:
    """Remove a hidden folder; where all it holds is one file, without a descriptor to spare."""
    with contextlib.suppress(OSError):
        (folder / name).unlink(missing_ok=True)
        folder.rmdir()
        return
    shutil.rmtree(folder, ignore_errors=True)


def _locked_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            lock = os.open(folder, os.O_RDONLY)
        except OSError:
            folder.rmdir()
            raise
        # Some network file systems lock no folders; there, leftovers stay.
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Another process may have taken the folder for a leftover before the lock was there.
        if folder.exists():
            return folder, lock
        os.close(lock)


@functools.cache  # a process leaves nothing behind itself, and large folders take long to list
def _remove_leftovers(parent: Path) -> None:
    """Remove hidden folders of dead processes: those that nobody holds a lock on."""
    try:
        names = os.listdir(parent)
    except PermissionError:  # a folder that may be written to and not looked into
        return
    found = [match for match in map(_LEFTOVER.fullmatch, names) if match]
    for match in found:
        folder, kernel = parent / match[0], match[1]
        with contextlib.suppress(OSError):  # another process may be removing it, too
            # Shared disks may hide the locks of other machines; idle folders are theirs no longer.
            if kernel == _kernel() or _is_idle(folder):
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


@functools.cache
def _kernel() -> str:
    """What processes share that see one another's locks: the same since boot, in containers too."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return ""


def _is_idle(folder: Path) -> bool:
    """Whether nothing in a folder has changed for long."""
    changed = [path.lstat().st_mtime for path in (folder, *folder.rglob("*"))]
    return max(changed) < time.time() - _IDLE_S


def _flush(path: Path) -> None:
    """Bring a file, or all that a folder holds, to the disk."""
    if not path.is_dir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return
    for entry in path.iterdir():
        _flush(entry)
    _flush_folder(path)


def _flush_folder(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # may be written to and not looked into
        return
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems have nothing to flush in a folder and say so.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
