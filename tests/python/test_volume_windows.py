"""Windows over three axes: nnU-Net's places, weights and sums."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnunet_folder import write_results_folder

import pyengine
from pyengine.inputs.nnunet_folder import ResultsFolder
from pyengine.inputs.nnunet_network import untrained_network
from pyengine.volumes.predict import scores_of
from pyengine.volumes.recipe import recipe_of
from pyengine.volumes.windows import (
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

    path = tmp_path / "net.pyengine"
    pyengine.build(results, path)  # the mean of both folds
    engine = pyengine.Engine(path)
    recipe = recipe_of(engine.info.manifest)
    seen: list[tuple[int, int]] = []
    slabs = list(scores_of(engine, recipe, data, lambda *told: seen.append(told), {}))
    got = np.concatenate(slabs, 1)
    assert got.shape == want.shape
    # nnU-Net's sums are half precision: 11 bits of numbers up to 10 times a score, and several;
    # where weights are below 2^-14, in corners of the volume, steps of 2^-24.
    lost = 2.0**-24 / summed_weights(size, window)
    assert (np.abs(got - want) <= 5e-3 * np.ptp(want) + lost).all()
    assert seen == [(i + 1, len(seen)) for i in range(window_count(size, window, ()))]
    with pytest.raises(pyengine.CancelledError):
        list(scores_of(engine, recipe, data, lambda done, total: False, {}))
