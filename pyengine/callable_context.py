"""Whether a callable in the engine's place sees no further than its tiles' context."""

from __future__ import annotations

import threading

from pyengine import _core
from pyengine.arguments import positive
from pyengine.context_probe import probe


def own_context(halo: int | None, alignment: int | None) -> tuple[int, int]:
    """The callable's own halo and alignment for the core; (0, 0) leaves both to the file.

    Raises
    ------
    TypeError, ValueError
        No whole numbers, a negative halo, or an alignment without a halo.
    """
    if halo is None:
        if alignment is not None:
            raise ValueError(f"alignment={alignment} of a callable needs its halo= too")
        return 0, 0
    return positive("halo", halo) if halo != 0 else 0, positive("alignment", alignment or 1)


class CallableContext:
    """Compares a callable's response with halo and alignment, once, before they are relied on.

    Parameters
    ----------
    core : _core.Engine, optional
        An engine that a callable computes; None: there is nothing to prove.
    """

    def __init__(self, core: _core.Engine | None) -> None:
        self._unproven = core
        self._lock = threading.Lock()

    def prove(self) -> None:
        """Raise UnsupportedError if the callable needs more context than is said."""
        with self._lock:
            if self._unproven is None:
                return
            info = self._unproven.info()
            if said := probe(self._unproven.run, info, info["channels"]):
                raise _core.UnsupportedError(
                    f"the callable has no exact tiles: {said}. Give its halo= (and alignment=) to "
                    "Engine, or segment with mode='gaussian'"
                )
            self._unproven = None
