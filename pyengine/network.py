"""Networks that a callable computes in place of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Network = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def logits_of(network: Network, head: Mapping[str, Any]) -> Network:
    """The logits of `network`, where the source network ends in softmax or sigmoid."""

    def logits(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        result = network(batch)
        if not head["in_network"] or head["activation"] == "none":
            return result
        p = np.clip(np.asarray(result, np.float32), 1e-30, 1.0)
        if head["activation"] == "softmax":
            return np.log(p)
        return np.log(p) - np.log(np.clip(1 - p, 1e-30, 1.0))

    return logits
