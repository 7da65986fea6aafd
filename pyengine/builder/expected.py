"""Does the engine give what its source documents: images with their results?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.engine import Engine

# Documented results were computed by another program, on another machine, in float32, after
# preprocessing of its own.
_TOLERANCE = 1e-3


def check_expected(
    engine: Engine,
    expected: Iterable[tuple[npt.NDArray[Any], npt.NDArray[np.float32]]],
    tolerance: float,
) -> None:
    """Compare probabilities of whole images, with the network's own padding.

    Parameters
    ----------
    engine : Engine
    expected : iterable of (ndarray, ndarray)
        Images as for `Engine.segment`, and probabilities (K, H, W).
    tolerance : float
        As in `build`; at least 1e-3 of the range is allowed.

    Raises
    ------
    ValueError
        They differ by more, or in shape.
    """
    for image, want in expected:
        got = probabilities_of(engine, image)
        if got.shape != want.shape:
            raise ValueError(
                f"the source's test result has the shape {want.shape}, the engine's {got.shape}"
            )
        spread = max(float(np.ptp(want)), 1e-12)
        error = float(np.abs(want - got).max()) / spread
        if not error <= max(_TOLERANCE, tolerance):
            raise ValueError(
                f"on the source's test image the engine differs by {error:.3g} of the range from "
                "the test result; pre- or postprocessing may be described otherwise than the "
                "result was computed"
            )


def probabilities_of(engine: Engine, image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Probabilities (K, H, W) of a whole image, with the padding of the network itself."""
    scores: npt.NDArray[np.float32] = engine.run(engine.normalise(image)[None])[0]
    head = engine.info.manifest["head"]
    if not head["in_network"] and head["activation"] == "sigmoid":
        np.reciprocal(1 + np.exp(-scores), out=scores)
    elif not head["in_network"] and head["activation"] == "softmax":
        np.exp(scores - scores.max(0), out=scores)
        scores /= scores.sum(0)
    return scores
