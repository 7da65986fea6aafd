"""Where the libraries of formats end: whatever they raise is an error of the file at hand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pyengine.formats.format import Band, Location


class ImageRefusedError(ValueError):
    """Raised by readers and writers for what it understands and does not take; says what and why."""


def check_pixels(height: int, width: int, most: int) -> None:
    """Refuse what would have to be decoded in one piece and is too large for it.

    Raises
    ------
    ImageRefusedError
        It has more than `most` pixels.
    """
    if height * width > most:
        raise ImageRefusedError(
            f"{height} x {width} px must be decoded in one piece, and at most {most:,} px are; if "
            f"the file can be trusted, raise max_pixels (--max-pixels {height * width})"
        )


@contextlib.contextmanager
def reading(source: Location, noun: str) -> Iterator[None]:
    """Turn every exception of a decoder into one that names the file.

    Decoders raise what they please: RuntimeError, struct.error, IndexError, MemoryError of absurd
    sizes. What the system says of a path (PermissionError, ...) names it already.

    Parameters
    ----------
    source : Location
    noun : str
        What the file should be.

    Raises
    ------
    OSError
        It cannot be read.
    ImageRefusedError
        As the reader raised it, with the file's name.
    """
    try:
        yield
    except ImageRefusedError as error:
        text = str(error)
        named = text if text.startswith(str(source.path)) else f"{source}: {text}"
        raise ImageRefusedError(named) from error
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise OSError(f"{source}: not a readable {noun} ({_in_words(error)})") from error


def writing(
    target: Location, bands: Iterator[Band], write: Callable[[Iterator[Band]], None]
) -> None:
    """Call ``write(bands)``; every exception of an encoder names the file.

    What is raised where the bands are made is no fault of the writer and passes as it is.

    Raises
    ------
    OSError
        The file cannot be written.
    ImageRefusedError
        As the writer raised it, with the file's name.
    """
    origin: list[BaseException] = []

    def watched() -> Iterator[Band]:
        try:
            yield from bands
        except BaseException as error:
            origin.append(error)
            raise

    try:
        write(watched())
    except Exception as error:
        if origin and error is not origin[0]:
            raise origin[0] from error
        if origin or isinstance(error, OSError):
            raise
        if isinstance(error, ImageRefusedError):
            raise ImageRefusedError(f"{target}: {error}") from error
        raise OSError(f"{target}: cannot be written ({_in_words(error)})") from error


def _in_words(error: Exception) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
