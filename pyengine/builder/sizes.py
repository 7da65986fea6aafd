"""Is an engine right at another size than the one it was built with?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyengine.builder.parity import relative
from pyengine.inputs.source import Array, image_like
from pyengine.outputs import arrays_of

Run = Callable[[Array], Array | list[Array]]


class FixedSizeWarning(UserWarning):
    """A network that is right at one size alone; the engine refuses others."""


def why_one_size(
    engine: Run,
    network: Run,
    shape: tuple[int, ...],
    alignment: int | tuple[int, ...],
    tolerance: float,
) -> str:
    """Compare engine and source at a second size.

    Exporters write sizes down that a network computes: what they give is right at the sample's size
    and wrong at others, without an error.

    Parameters
    ----------
    engine, network : callable
        (1, C, H, W) to (1, K, H', W'), or several; of volumes (1, C, D, H, W).
    shape : tuple of int
        The sample's.
    alignment : int or tuple of int
        What sizes differ by, along all axes or along each [px].
    tolerance : float
        As in `build`.

    Returns
    -------
    str
        Empty, or why the engine is for the sample's size alone.
    """
    why = ""
    for more in _larger_by(shape, alignment):
        x = image_like((1, shape[1], *(n + m for n, m in zip(shape[2:], more, strict=True))))
        size = f"{' x '.join(map(str, x.shape[2:]))} px"
        try:
            want = arrays_of(network(x))
        except ValueError as error:
            why = why or f"the source network does not take {size} ({error})"
            continue
        try:
            got = arrays_of(engine(x))
        except ValueError as error:
            why = f"the engine does not take {size} ({error})"
            continue
        shapes = [array.shape for array in want]
        if shapes != [array.shape for array in got]:
            theirs = ", ".join(str(array.shape) for array in got)
            return f"at {size} the source network returns {shapes}, the engine [{theirs}]"
        worst = max(
            relative(float(np.abs(a - b).max()), float(np.ptp(a)))
            for a, b in zip(want, got, strict=True)
        )
        if worst <= tolerance:
            return ""
        return f"at {size} it differs by {worst:.2g} of the range from its source network"
    return why


def _larger_by(shape: tuple[int, ...], alignment: int | tuple[int, ...]) -> list[tuple[int, ...]]:
    size = shape[2:]
    each = (alignment,) * len(size) if isinstance(alignment, int) else alignment
    return [each, tuple(2 * n for n in each), size]
