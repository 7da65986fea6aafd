"""Progress bars and callbacks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tqdm import tqdm

Callback = Callable[[int, int], bool | None]
Progress = bool | Callback


@contextlib.contextmanager
def progress_callback(progress: Progress, description: str = "tiles") -> Iterator[Callback | None]:
    """The callback that `progress` stands for: None, the caller's own, or a bar.

    Parameters
    ----------
    progress : bool or callable
        As in `Engine.segment`.
    description : str
        Text before the bar.

    Raises
    ------
    TypeError
        Neither a bool nor callable.
    """
    if callable(progress):
        yield progress
    elif progress is True:
        with tqdm(total=0, desc=description, unit="tile") as bar:

            def update(done: int, total: int) -> bool:
                bar.total = total
                bar.update(done - bar.n)
                return True

            yield update
    elif progress is False or progress is None:
        yield None
    else:
        raise TypeError(f"progress must be True, False or callable, got {progress!r}")
