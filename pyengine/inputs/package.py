"""Networks that come as a folder or a zip archive of one, of which some files are read."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


class Package:
    """A folder whose files are asked for by the names that its description gives.

    Parameters
    ----------
    folder : Path
    title : str
        For messages.
    """

    def __init__(self, folder: Path, title: str) -> None:
        self.folder, self.title = folder, title

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return "://" not in name and (self.folder / name).is_file()

    def file(self, name: str, sha256: str | None = None) -> Path:
        """The file of that name.

        Raises
        ------
        FileNotFoundError
            There is none, or it lies elsewhere.
        ValueError
            The name leads out of the folder, or the file's hash is not `sha256`.
        """
        if "://" in name:
            raise FileNotFoundError(
                f"{self.title}: {name} lies elsewhere; load it into the package, where it is read"
            )
        check_inside(name, self.title)
        path = self.folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{self.title}: holds no {name}")
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"{self.title}: {name} leads out of the package")
        if sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise ValueError(f"{self.title}: {name}: SHA-256 differs from the described one")
        return path


@contextlib.contextmanager
def open_package(path: Path) -> Iterator[Package]:
    """The folder at `path`, or what a zip archive holds, in a folder of its own until the end.

    Raises
    ------
    ValueError
        An archive with names that lead out of it, or with links.
    """
    if path.is_dir():
        yield Package(path, str(path))
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            check_inside(member.filename, str(path))
            if stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"{path}: {member.filename} is a link; links are refused")
        for member in archive.infolist():
            target = Path(folder) / member.filename
            if member.is_dir():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        yield Package(_root(Path(folder)), str(path))


def _root(folder: Path) -> Path:
    """The folder itself, or the only folder in it."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def check_inside(name: str, title: str) -> None:
    """Refuse a file name that leads out of its folder; ValueError."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name:
        raise ValueError(f"{title}: the name {name!r} leads out of the package; refused")


def names_in(path: Path) -> list[str]:
    """Names of the files right in a folder, or in a zip archive (in its only folder)."""
    if path.is_dir():
        return [p.name for p in path.iterdir()]
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
    if len({name.parts[0] for name in names if name.parts}) == 1:
        return [name.name for name in names if len(name.parts) <= 2]
    return [name.name for name in names if len(name.parts) == 1]
