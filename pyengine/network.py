"""Networks that a callable computes in place of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.outputs import NamedOutput, fold

Array = npt.NDArray[np.float32]
# From (N, C, H, W); a list where the network has several outputs.
Network = Callable[[Array], Array | list[Array]]


def logits_of(
    network: Network, head: Mapping[str, Any], outputs: Sequence[NamedOutput]
) -> Callable[[Array], Array]:
    """The planes of logits of `network`, where the source network ends in softmax or sigmoid.

    `head` and `outputs` may still be filled after the call: they are read when the network runs.
    """

    def logits(batch: Array) -> Array:
        if not outputs:
            result = network(batch)
            return _logits(result, head["activation"]) if head["in_network"] else result  # type: ignore[return-value,arg-type]
        planes = fold(network(batch), outputs)
        for one in outputs:
            if one.in_network:
                own = slice(one.first_plane, one.first_plane + one.planes)
                planes[:, own] = _logits(planes[:, own], one.activation)
        return planes

    return logits


def _logits(result: Array, activation: str) -> Array:
    if activation == "none":
        return result
    p = np.clip(np.asarray(result, np.float32), 1e-30, 1.0)
    if activation == "softmax":
        return np.log(p)
    return np.log(p) - np.log(np.clip(1 - p, 1e-30, 1.0))
