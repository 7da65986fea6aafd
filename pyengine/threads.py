"""Threads that the library starts, as a host wishes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pyengine import _core

if TYPE_CHECKING:
    from pyengine.engine import Engine

ThreadPolicy = Literal["normal", "fifo", "round_robin"]


@dataclass(frozen=True)
class ThreadOptions:
    """Of threads that the library starts, never of the calling one.

    Where the system refuses one of these wishes, opening raises `UnsupportedError`.
    """

    name: str = ""
    """Up to 15 bytes are shown; empty: "pyengine"."""
    cores: Sequence[int] = ()
    """Numbers of the hardware threads they may run on; empty: any."""
    policy: ThreadPolicy = "normal"
    """"fifo" and "round_robin" are real time."""
    priority: int = 0
    """A nice value, -20 (first) to 19; in real time 1 to 99 (first). 0: as the opening thread."""


def core_threads(name: str, value: ThreadOptions | None) -> _core.ThreadOptions:
    """What the core takes for `value`.

    Raises
    ------
    TypeError, ValueError
        No thread options, or words and numbers that no system has.
    """
    if value is None:
        return _core.ThreadOptions()
    if not isinstance(value, ThreadOptions):
        raise TypeError(f"{name} must be pyengine.ThreadOptions, got {value!r}")
    known = _core.ThreadPolicy.__members__
    if value.policy not in known:
        raise ValueError(f"{name}.policy must be one of {', '.join(known)}; got {value.policy!r}")
    try:
        return _core.ThreadOptions(
            str(value.name),
            [int(core) for core in value.cores],
            known[value.policy],
            value.priority,
        )
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold whole numbers, got {value!r}") from error


def core_engine(name: str, value: Engine | None) -> _core.Engine | None:
    """The core's part of another engine, or None.

    Raises
    ------
    TypeError
        No engine.
    """
    inner = getattr(value, "_native", None)
    if value is not None and not isinstance(inner, _core.Engine):
        raise TypeError(f"{name} must be a pyengine.Engine, got {value!r}")
    return inner
