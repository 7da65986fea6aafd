"""Works in three stages, of which neighbours overlap: reading, computing, writing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar


class Work(Protocol):
    """One work; its methods are called in this order, each once the one before returned."""

    def read(self) -> None:
        """On a thread that reads ahead."""

    def compute(self) -> None:
        """On the caller's thread."""

    def write(self) -> None:
        """On a thread that writes behind."""


W = TypeVar("W", bound=Work)


def pipeline(
    works: Iterable[W], ahead: int = 2, errors: tuple[type[Exception], ...] = (Exception,)
) -> Iterator[tuple[W, Exception | None]]:
    """Do works, in order; gives each once it is written, or failed.

    Parameters
    ----------
    works : iterable of Work
        Asked for as there is room, on the caller's thread.
    ahead : int
        How many are read before they are computed, and wait to be written, at most.
    errors : tuple of exception types
        What a work may fail with, without harm to the others.

    Yields
    ------
    (Work, Exception or None)
    """
    source = iter(works)
    reading: deque[tuple[W, Future[None]]] = deque()
    writing: deque[tuple[W, Future[None]]] = deque()
    with (
        ThreadPoolExecutor(1, thread_name_prefix="pyengine-read") as reader,
        ThreadPoolExecutor(1, thread_name_prefix="pyengine-write") as writer,
    ):

        def read_ahead() -> None:
            while len(reading) < ahead:
                work = next(source, None)
                if work is None:
                    return
                reading.append((work, reader.submit(work.read)))

        try:
            read_ahead()
            while reading:
                work, read = reading.popleft()
                error = _error_of(read.result, errors)
                read_ahead()
                error = error or _error_of(work.compute, errors)
                if error is not None:
                    yield work, error
                else:
                    writing.append((work, writer.submit(work.write)))
                while writing and (len(writing) > ahead or writing[0][1].done()):
                    written, future = writing.popleft()
                    yield written, _error_of(future.result, errors)
                read_ahead()
            while writing:
                written, future = writing.popleft()
                yield written, _error_of(future.result, errors)
        finally:
            for _, future in [*reading, *writing]:
                future.cancel()


def _error_of(call: Callable[[], None], errors: tuple[type[Exception], ...]) -> Exception | None:
    try:
        call()
    except errors as error:
        return error
    return None
