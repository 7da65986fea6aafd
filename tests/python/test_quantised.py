"""Networks of int8 run in float here: how far from the true int8 network, which onnxruntime runs.

A value is rounded to a step s there, by at most s / 2, and not at all here; both limit it alike.
What a value is off by before a layer, the layer makes larger by at most the sum of its weights'
magnitudes (limits, ReLU and maxima make no difference larger). The departure is therefore bounded
layer by layer: off = off * sum |w| + s / 2.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import pyengine

sys.path.append(str(Path(__file__).parents[1]))

from networks.onnx_forms import Graph

onnxruntime = pytest.importorskip("onnxruntime")

IMAGE_STEP = 0.03
SHAPE = (1, 3, 40, 48)


class Int8Network:
    """Convolutions in QDQ form, with a maximum and a skip, and the bound of its departure."""

    def __init__(self, step: float) -> None:
        self.g = Graph(list(SHAPE))
        first, off = self._steps("image", 0.0, IMAGE_STEP, np.uint8(128))
        x, off = self._conv(first, off, 3, 8, step)
        skip, skip_off = x, off
        x, off = self._conv(x, off, 8, 8, step)
        x = self.g.add("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
        x, off = self._steps(self.g.add("Add", x, skip), off + skip_off, step, np.uint8(0))
        weight, growth = self._weights(2, 8)
        # Sums in float, as the other rounding that there is: far below a step.
        self.bound = off * growth + 1e-4
        self.model = self.g.model(self.g.add("Conv", x, weight, pads=[1] * 4))

    def _steps(self, x: str, off: float, step: float, zero: np.uint8) -> tuple[str, float]:
        scale = np.float32(step)
        whole = self.g.add("QuantizeLinear", x, scale, zero)
        return self.g.add("DequantizeLinear", whole, scale, zero), off + step / 2

    def _weights(self, cout: int, cin: int) -> tuple[str, float]:
        whole = self.g.rng.integers(-127, 128, (cout, cin, 3, 3)).astype(np.int8)
        scale = np.full(cout, 0.15 / cin / 127, np.float32)
        made = self.g.add("DequantizeLinear", whole, scale, np.zeros(cout, np.int8), axis=0)
        return made, float((np.abs(whole.astype(float)).sum((1, 2, 3)) * scale).max())

    def _conv(self, x: str, off: float, cin: int, cout: int, step: float) -> tuple[str, float]:
        weight, growth = self._weights(cout, cin)
        made = self.g.add("Conv", x, weight, pads=[1] * 4)
        return self._steps(made, off * growth, step, np.uint8(0))  # limits instead of a ReLU


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize("step", [0.002, 0.01, 0.05])
def test_departure_from_int8_is_within_its_steps(step: float, level: str, tmp_path: Path) -> None:
    network = Int8Network(step)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(
        network.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    report = pyengine.build(network.model, tmp_path / "x.pyengine", activation="none")
    assert "int8 was taken out" in str(report)
    engine = pyengine.Engine(tmp_path / "x.pyengine")
    rng = np.random.default_rng(0)
    departures = []
    for scale in (0.3, 1.5, 5.0):
        x = rng.standard_normal(SHAPE, dtype=np.float32) * np.float32(scale)
        (want,) = session.run(None, {"image": x})
        departures.append(float(np.abs(engine.run(x) - want).max()))
    assert max(departures) <= network.bound, (departures, network.bound)
    # The bound tells something: steps are what the two differ by, and less than the answer's range.
    assert max(departures) > 0
    if step == 0.002:
        assert network.bound < 0.5 * np.ptp(want)
