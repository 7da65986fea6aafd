"""Volumes prepared and restored: nnU-Net's own arrays and labels, and refusals by name."""

from __future__ import annotations

import itertools
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pyengine
from pyengine.volumes import Recipe, prepare, recipe_of, restore
from pyengine.volumes.recipe import FIELD, ChannelNormalisation, Resampling

pytest.importorskip("skimage")

Z, C, N, R, G = (
    "ZScoreNormalization", "CTNormalization", "NoNormalization", "RescaleTo01Normalization",
    "RGBTo01Normalization",
)  # fmt: skip
NAMES = {Z: "zscore", C: "ct", N: "none", R: "rescale_to_0_1", G: "rgb_to_0_1"}
CT = {"mean": 90.1, "std": 60.3, "percentile_00_5": 12.5, "percentile_99_5": 231.25}
LABELS: dict[str, Any] = {"background": 0, "a": 1, "b": 2}
REGIONS: dict[str, Any] = {"background": 0, "whole": [1, 2], "core": [2], "rim": [1]}

# Schemes, masks, spacing of the volume, of the network: alike and anisotropic, one way and the
# other, along each axis, with two coarse axes; of two dimensions.
CASES: dict[str, tuple[tuple[str, ...], tuple[bool, ...], tuple[float, ...], tuple[float, ...]]] = {
    "isotropic": ((Z, C), (True, False), (2.5, 0.8, 0.7), (1.0, 0.9, 1.1)),
    "thick slices": ((Z,), (False,), (5.0, 0.8, 0.7), (3.0, 0.9, 1.1)),
    "thick slices, fewer of them": ((Z,), (False,), (3.0, 0.8, 0.7), (5.0, 1.0, 1.1)),
    "thick along y": ((Z,), (True,), (0.8, 5.0, 0.7), (1.0, 1.0, 1.0)),
    "network's slices thick": ((C,), (False,), (0.8, 0.8, 0.7), (5.0, 1.0, 1.0)),
    "two coarse axes": ((N,), (False,), (0.3, 1.25, 1.25), (0.5, 1.0, 1.0)),
    "same spacing": ((R, G, N), (False,) * 3, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    "2-D": ((R, G, N), (False,) * 3, (1.0, 0.8, 0.7), (0.9, 1.1)),
    "2-D, thick": ((Z,), (True,), (5.0, 0.8, 0.7), (0.9, 1.1)),
}
TRANSPOSES = list(itertools.permutations(range(3)))


def recipe_for(
    schemes: tuple[str, ...],
    masks: tuple[bool, ...],
    transpose: tuple[int, ...],
    spacing: tuple[float, ...],
    regions: bool = False,
    labels: tuple[int, ...] = (0, 1, 2),
) -> Recipe:
    ct = {"low": 12.5, "high": 231.25, "mean": 90.1, "std": 60.3}
    each = tuple(
        ChannelNormalisation(NAMES[s], within_mask=m, **(ct if s == C else {}))
        for s, m in zip(schemes, masks, strict=True)
    )
    first, second, third = transpose
    return Recipe(
        (first, second, third), each, spacing, Resampling(3), Resampling(1), regions, labels
    )


def volume_of(shape: tuple[int, ...], border: int = 2) -> np.ndarray:
    """Random numbers of 0 to 254 in a frame of zeros, with a hole."""
    rng = np.random.default_rng(0)
    volume = np.zeros(shape, np.float32)
    inner = volume[(slice(None), *(slice(border, n - border) for n in shape[1:]))]
    inner[:] = rng.integers(0, 255, inner.shape)
    inner[:, 2:4, 2:5, 3:5] = 0
    return volume


def nnunet_managers(
    schemes: tuple[str, ...],
    masks: tuple[bool, ...],
    transpose: tuple[int, ...],
    spacing: tuple[float, ...],
    labels: dict[str, Any],
    order: list[int] | None = None,
) -> Any:
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ.setdefault(name, str(Path(__file__).parent))
    pytest.importorskip("nnunetv2")
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    function = "resample_data_or_seg_to_shape"
    kwargs = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "preprocessor_name": "DefaultPreprocessor", "spacing": list(spacing),
        "normalization_schemes": list(schemes), "use_mask_for_norm": list(masks),
        "architecture": {}, "resampling_fn_data": function, "resampling_fn_seg": function,
        "resampling_fn_probabilities": function, "resampling_fn_data_kwargs": kwargs,
        "resampling_fn_seg_kwargs": {**kwargs, "is_seg": True, "order": 1},
        "resampling_fn_probabilities_kwargs": {**kwargs, "order": 1},
    }  # fmt: skip
    plans = PlansManager({
        "transpose_forward": list(transpose), "label_manager": "LabelManager",
        "transpose_backward": [int(axis) for axis in np.argsort(transpose)],
        "configurations": {"c": configuration},
        "foreground_intensity_properties_per_channel": {str(i): CT for i in range(len(schemes))},
    })  # fmt: skip
    dataset = {"labels": labels, "regions_class_order": order}
    return plans, plans.get_configuration("c"), dataset


@pytest.mark.parametrize("transpose", TRANSPOSES)
@pytest.mark.parametrize("case", CASES)
def test_arrays_and_labels_are_those_of_nnunet(case: str, transpose: tuple[int, ...]) -> None:
    schemes, masks, spacing, wanted = CASES[case]
    plans, configuration, dataset = nnunet_managers(schemes, masks, transpose, wanted, LABELS)
    from nnunetv2.inference.export_prediction import (
        convert_predicted_logits_to_segmentation_with_correct_shape as export,
    )

    volume = volume_of((len(schemes), 19, 25, 31))
    before = volume.copy()
    preprocessor = configuration.preprocessor_class(verbose=False)
    want, _, properties = preprocessor.run_case_npy(
        volume, None, {"spacing": list(spacing)}, plans, configuration, dataset
    )
    recipe = recipe_for(schemes, masks, transpose, wanted)
    prepared = prepare(volume, spacing, recipe)
    np.testing.assert_array_equal(prepared.data, want)
    np.testing.assert_array_equal(volume, before)
    assert prepared.data.dtype == np.float32

    logits = np.random.default_rng(1).normal(size=(3, *want.shape[1:])).astype(np.float32)
    labels = export(
        torch.from_numpy(logits), plans, configuration, plans.get_label_manager(dataset), properties
    )
    slabs = (logits[:, begin : begin + 4] for begin in range(0, logits.shape[1], 4))
    got = restore(slabs, prepared, recipe)
    assert got.dtype == labels.dtype
    # nnU-Net interpolates in float64, and takes what it finds as float32: ties may fall otherwise.
    assert got.shape == labels.shape
    assert (got != labels).sum() <= 1


@pytest.mark.parametrize("case", ["isotropic", "thick slices", "2-D"])
def test_regions_get_their_labels_in_their_order(case: str) -> None:
    schemes, masks, spacing, wanted = CASES[case]
    plans, configuration, dataset = nnunet_managers(
        schemes, masks, (0, 1, 2), wanted, REGIONS, [1, 3, 2]
    )
    from nnunetv2.inference.export_prediction import (
        convert_predicted_logits_to_segmentation_with_correct_shape as export,
    )

    volume = volume_of((len(schemes), 19, 25, 31))
    data, _, properties = configuration.preprocessor_class(verbose=False).run_case_npy(
        volume, None, {"spacing": list(spacing)}, plans, configuration, dataset
    )
    logits = np.random.default_rng(1).normal(size=(3, *data.shape[1:])).astype(np.float32)
    want = export(
        torch.from_numpy(logits), plans, configuration, plans.get_label_manager(dataset), properties
    )
    recipe = recipe_for(schemes, masks, (0, 1, 2), wanted, regions=True, labels=(1, 3, 2))
    got = restore(iter([logits]), prepare(volume, spacing, recipe), recipe)
    assert set(np.unique(got)) == {0, 1, 2, 3}
    assert (got != want).sum() <= 1


def test_what_is_zero_everywhere_is_kept_whole() -> None:
    recipe = recipe_for((R,), (False,), (0, 1, 2), (1.0, 1.0, 1.0))
    prepared = prepare(np.zeros((1, 4, 5, 6), np.uint8), (1, 1, 1), recipe)
    np.testing.assert_array_equal(prepared.data, np.zeros((1, 4, 5, 6)))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8", ">i2"])
def test_values_count_as_numbers_whatever_the_type(dtype: str) -> None:
    recipe = recipe_for((Z,), (False,), (2, 0, 1), (1.0, 1.5, 1.0))
    volume = volume_of((1, 8, 9, 10)) // 2
    want = prepare(volume, (1, 1, 1), recipe)
    got = prepare(volume.astype(dtype), (1, 1, 1), recipe)
    np.testing.assert_array_equal(got.data, want.data)


def test_slabs_of_any_size_give_the_same_labels() -> None:
    recipe = recipe_for((Z,), (False,), (0, 1, 2), (2.3, 0.9, 1.1))
    prepared = prepare(volume_of((1, 19, 25, 31)), (1.0, 0.8, 0.7), recipe)
    scores = np.random.default_rng(2).normal(size=(5, *prepared.data.shape[1:]))
    scores = scores.astype(np.float32)
    recipe = recipe_for((Z,), (False,), (0, 1, 2), (2.3, 0.9, 1.1), labels=(0, 1, 2, 3, 4))
    want = restore(iter([scores]), prepared, recipe)
    for size in (1, 2, 5):
        slabs = (scores[:, i : i + size].copy() for i in range(0, scores.shape[1], size))
        np.testing.assert_array_equal(restore(slabs, prepared, recipe), want)


def test_memory_does_not_grow_with_classes_times_volume() -> None:
    recipe = recipe_for((Z,), (False,), (0, 1, 2), (2.0, 2.0, 2.0), labels=tuple(range(40)))
    prepared = prepare(np.ones((1, 64, 64, 64), np.float32), (1.0, 1.0, 1.0), recipe)
    rng = np.random.default_rng(0)
    slabs = (rng.random((40, 1, 32, 32), np.float32) for _ in range(32))
    tracemalloc.start()
    labels = restore(slabs, prepared, recipe)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert labels.shape == (64, 64, 64)
    assert len(np.unique(labels)) > 30
    # The labels and a few slices; all scores in float32 would be 40 * 64^3 * 4 bytes = 42 MB.
    assert peak < 4e6


@pytest.mark.parametrize(
    ("volume", "spacing", "words"),
    [
        (np.zeros((2, 4, 4, 4)), (1, 1, 1), r"has 2 channel\(s\), the network takes 1"),
        (np.zeros((4, 4, 4)), (1, 1, 1), r"must have the axes \(C, z, y, x\), got shape \(4, 4, 4\)"),
        (np.zeros((1, 4, 0, 4)), (1, 1, 1), "an axis without voxels"),
        (np.full((1, 4, 4, 4), np.nan), (1, 1, 1), "holds NaN or infinity"),
        (np.full((1, 4, 4, 4), np.inf, np.float32), (1, 1, 1), "holds NaN or infinity"),
        (np.ones((1, 4, 4, 4)), (0, 1, 1), r"sizes of a voxel above 0 .*, got \(0, 1, 1\)"),
        (np.ones((1, 4, 4, 4)), (1, 1), "three sizes of a voxel"),
        (np.ones((1, 4, 4, 4)), (1, np.nan, 1), "sizes of a voxel above 0"),
        (np.ones((1, 4, 4, 4)), (0.01, 1, 1), "0 x 4 x 4 are left of it"),
    ],
)  # fmt: skip
def test_what_is_no_volume_is_refused(volume: Any, spacing: Any, words: str) -> None:
    recipe = recipe_for((Z,), (False,), (0, 1, 2), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=words):
        prepare(volume, spacing, recipe)


def test_other_refusals() -> None:
    recipe = recipe_for((G,), (False,), (0, 1, 2), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="values from -3 to 2: the network was trained on colours"):
        prepare(np.array([[[[-3, 2]]]]), (1, 1, 1), recipe)
    with pytest.raises(TypeError, match="must be an array of numbers, got complex"):
        prepare(np.zeros((1, 2, 2, 2), complex), (1, 1, 1), recipe)
    cubic = Recipe(
        (0, 1, 2), recipe.normalisation, (1.0,) * 3, Resampling(3), Resampling(3), False, (0, 1)
    )
    prepared = prepare(np.ones((1, 2, 2, 2)), (1, 1, 1), cubic)
    with pytest.raises(ValueError, match="by splines of order 3; 0 and 1 are known"):
        restore(iter(()), prepared, cubic)


def test_a_recipe_is_what_its_manifest_says() -> None:
    recipe = recipe_for((Z, C), (True, False), (2, 0, 1), (1.0, 0.9), True, (1, 3))
    assert recipe_of({FIELD: recipe.as_manifest()}) == recipe
    assert recipe_of({}) is None
    assert recipe.by_slices


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transpose": [0, 0, 1]}, "is no order of three axes"),
        ({"transpose": None}, "TypeError"),
        ({"spacing_mm": [1.0, 0.0]}, "two or three sizes above 0"),
        ({"spacing_mm": [1.0, float("nan"), 1.0]}, "two or three sizes above 0"),
        ({"normalisation": [{"name": "own"}]}, "normalisation 'own' is not known"),
        ({"normalisation": [{"name": "ct", "new": 1}]}, "new"),
        ({"image": {"order": 7}}, "orders of resampling"),
        ({"labels": []}, "labels"),
        ({"labels": [0, 70000]}, "from 0 to 65535"),
    ],
)
def test_a_recipe_that_is_none_is_refused_by_its_field(change: Any, words: str) -> None:
    stored = recipe_for((Z,), (False,), (0, 1, 2), (1.0, 1.0)).as_manifest()
    with pytest.raises(pyengine.EngineFileError, match=rf"manifest\.volume: .*{words}"):
        recipe_of({FIELD: stored | change})
    del stored["regions"]
    with pytest.raises(pyengine.EngineFileError, match="regions"):
        recipe_of({FIELD: stored})
