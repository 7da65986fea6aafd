"""Windows over three axes: nnU-Net's places, weights and sums."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from nnunet_folder import write_results_folder

import pyengine
from pyengine.inputs.nnunet_folder import ResultsFolder
from pyengine.inputs.nnunet_network import network_of, untrained_network
from pyengine.volumes.predict import scores_of
from pyengine.volumes.recipe import ChannelNormalisation, Recipe, Resampling
from pyengine.volumes.windows import (
    blended,
    summed_weights,
    window_count,
    window_starts,
    window_weights,
)

pytest.importorskip("dynamic_network_architectures")
pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def nnunet() -> Any:
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ.setdefault(name, str(Path(__file__).parent))
    pytest.importorskip("nnunetv2")
    from nnunetv2.inference import predict_from_raw_data, sliding_window_prediction

    return predict_from_raw_data, sliding_window_prediction


def test_places_are_those_of_nnunet(nnunet) -> None:
    places = nnunet[1].compute_steps_for_sliding_window
    for window in (1, 2, 7, 16, 25, 40):
        for size in range(window, 150, 3):
            assert window_starts(size, window) == places((size,), (window,), 0.5)[0]


@pytest.mark.parametrize("window", [(8, 16, 24), (5, 7, 3), (1, 40, 33), (64, 64, 64)])
def test_weights_are_those_of_nnunet(nnunet, window) -> None:
    want = nnunet[1].compute_gaussian(window, value_scaling_factor=10, device=torch.device("cpu"))
    np.testing.assert_array_equal(window_weights(window), want.numpy().astype(np.float32))


@pytest.mark.parametrize(
    ("size", "mirror", "network"),
    [
        ((8, 16, 24), (0, 1, 2), "PlainConvUNet"),
        ((13, 16, 24), (2,), "ResidualEncoderUNet"),
        ((13, 5, 30), (), "PlainConvUNet"),
        ((3, 25, 20), (1,), "PlainConvUNet"),
    ],
)
def test_scores_are_those_of_nnunet(tmp_path, nnunet, network, mirror, size) -> None:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    window = (8, 16, 24)
    results = write_results_folder(
        tmp_path / "results", reader="NibabelIO", patch=window, mirror=mirror, network=network,
        folds=(0, 1),
    )  # fmt: skip
    folder = ResultsFolder(results, {})
    plans = PlansManager(folder.plans)
    predictor = nnunet[0].nnUNetPredictor(
        perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.manual_initialization(
        untrained_network(folder), plans, plans.get_configuration("3d_fullres"),
        list(folder.weights), folder.dataset, folder.trainer, mirror or None,
    )  # fmt: skip
    data = np.random.default_rng(0).normal(size=(1, *size)).astype(np.float32)
    want = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).numpy()

    module = network_of(folder).eval()  # the mean of both folds
    seen: list[tuple[int, int]] = []

    def run(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(batch)).numpy()

    slabs = list(blended(data, run, window, mirror, lambda *told: seen.append(told)))
    got = np.concatenate(slabs, 1)
    assert got.shape == want.shape
    # nnU-Net's sums are half precision: 11 bits of numbers up to 10 times a score, and several;
    # where weights are below 2^-14, in corners of the volume, steps of 2^-24.
    lost = 2.0**-24 / summed_weights(size, window)
    assert (np.abs(got - want) <= 5e-3 * np.ptp(want) + lost).all()
    assert seen == [(i + 1, len(seen)) for i in range(window_count(size, window, mirror))]


def test_memory_is_that_of_a_windows_depth() -> None:
    import tracemalloc

    data = np.zeros((1, 200, 16, 16), np.float32)
    tracemalloc.start()
    depth = sum(s.shape[1] for s in blended(data, lambda x: np.repeat(x, 30, 1), (8, 8, 8)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert depth == 200
    # All scores would be 30 * 200 * 16 * 16 * 4 bytes = 6.1 MB.
    assert peak < 1.5e6


def test_scores_are_read_where_they_lie() -> None:
    """A network that returns its input gives the volume back, whatever the windows."""
    data = np.random.default_rng(0).normal(size=(2, 11, 9, 30)).astype(np.float32)
    for window in [(4, 6, 10), (11, 9, 30), (16, 4, 7), (1, 9, 8)]:
        got = np.concatenate(list(blended(data, lambda x: x, window, (0, 1, 2))), 1)
        np.testing.assert_allclose(got, data, rtol=1e-5, atol=1e-6)


class Stand:
    """An engine as far as windows need one: it returns its input, twice."""

    def __init__(self, mirror: list[str]) -> None:
        prediction = {"window_px": [4, 6, 8], "mirror_axes": mirror}
        self.info = SimpleNamespace(manifest={"prediction": prediction})
        self.runs = 0

    def run(self, batch: np.ndarray) -> np.ndarray:
        self.runs += 1
        assert batch.shape == (1, 1, 4, 6, 8)
        assert batch.flags.c_contiguous
        return np.concatenate([batch, -batch], 1)


def test_engines_run_in_windows_and_tell_of_them() -> None:
    recipe = Recipe(
        (0, 1, 2), (ChannelNormalisation("none"),), (1.0,) * 3, Resampling(3), Resampling(1), False,
        (0, 1),
    )  # fmt: skip
    data = np.random.default_rng(0).normal(size=(1, 9, 6, 13)).astype(np.float32)
    seen: list[tuple[int, int]] = []
    for mirror, options, passes in (
        ([], {}, 1), (["z", "x"], {}, 4), (["z", "x"], {"tta": "none"}, 1),
    ):  # fmt: skip
        engine: Any = Stand(mirror)
        seen.clear()
        slabs = scores_of(engine, recipe, data, lambda *told: seen.append(told), options)
        got = np.concatenate(list(slabs), 1)
        np.testing.assert_allclose(got, np.concatenate([data, -data]), rtol=1e-5, atol=1e-6)
        assert engine.runs == passes * window_count((9, 6, 13), (4, 6, 8), ())
        assert seen[-1] == (engine.runs, engine.runs)
    stop: Any
    for stop in ({"progress": lambda done, total: done < 3}, {"cancelled": lambda: True}):
        engine = Stand([])
        with pytest.raises(pyengine.CancelledError):
            list(scores_of(engine, recipe, data, stop.pop("progress", False), stop))
        assert engine.runs in (1, 3)
    for wrong in ({"mode": "exact"}, {"tta": "flips"}, {"tile": 8}):
        with pytest.raises(pyengine.UnsupportedError, match="run in nnU-Net's windows"):
            list(scores_of(engine, recipe, data, False, wrong))
