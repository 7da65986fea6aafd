"""Preprocessing of each image: bioimage.io's numbers, and the same bits however it is cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from conftest import random_image

import pyengine
from pyengine.processing import bioimageio_steps, head_of, parse_step, preprocessing_steps

AXES = {"together": ["channel", "y", "x"], "each": ["y", "x"]}
CHAINS: dict[str, list[dict[str, Any]]] = {
    "moments": [{"name": "zero_mean_unit_variance"}],
    "moments of each": [{"name": "zero_mean_unit_variance", "axes": ["y", "x"]}],
    "range": [{"name": "scale_range", "axes": ["y", "x"], "min_percentile": 1.5}],
    "range together": [{"name": "scale_range", "min_percentile": 3, "max_percentile": 99.8}],
    "limits": [{"name": "clip", "min_percentile": 2.0, "max_percentile": 97.3, "axes": "yx"}],
    "one limit": [{"name": "clip", "min": 3.5, "max_percentile": 90.0}],
    "fixed": [{"name": "clip", "min": -0.5, "max": 190.25}, {"name": "scale_linear", "gain": 0.3}],
    "threshold": [{"name": "binarize", "threshold": 20.0}],
    "thresholds": [{"name": "binarize", "threshold": [20.0, 99.5]}],
    "cast": [
        {"name": "scale_range", "axes": ["y", "x"], "max_percentile": 99},
        {"name": "clip", "min": 0.0, "max": 1.0},
        {"name": "scale_linear", "gain": 231.7},
        {"name": "ensure_dtype", "dtype": "uint8"},
    ],
    "two that depend on the image": [
        {"name": "clip", "min_percentile": 1.0, "max_percentile": 98.0, "axes": ["y", "x"]},
        {"name": "zero_mean_unit_variance", "axes": ["x", "y"]},
        {"name": "scale_linear", "gain": 3.0, "offset": 0.5},
    ],
}  # fmt: skip
DTYPES = [np.uint8, np.uint16, np.float32]


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(1)
    conv = torch.nn.Conv2d(2, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 3, padding=1)
    return torch.nn.Sequential(conv[0], torch.nn.ReLU(), conv[1])


def built(network: torch.nn.Module, folder: Path, steps: Any, **options: Any) -> Path:
    path = folder / "x.pyengine"
    pyengine.build(network, path, (1, 2, 16, 16), preprocessing=steps, **options)
    return path


def image_of(dtype: Any, height: int = 83, width: int = 61) -> np.ndarray:
    """Channels of different brightness, with ties."""
    rng = np.random.default_rng(5)
    image = random_image(rng, height, width, 2, dtype)
    image[..., 1] = image[..., 1] // 3 if np.dtype(dtype).kind == "u" else image[..., 1] * 40 + 7
    return image


def bioimageio_result(steps: list[dict[str, Any]], image: np.ndarray) -> np.ndarray:
    """What bioimageio.core makes of an image, (C, H, W)."""
    pytest.importorskip("bioimageio.core")
    import xarray
    from bioimageio.core import Sample, Tensor, proc_ops
    from bioimageio.core.common import MemberId
    from bioimageio.core.stat_calculators import compute_measures
    from bioimageio.spec.model import v0_5

    # The same as numbers: images are taken as such whatever their type.
    planes = image.astype(np.float32).transpose(2, 0, 1)
    tensor = Tensor.from_xarray(xarray.DataArray(planes, dims=("channel", "y", "x")))
    member = MemberId("raw")
    for step in preprocessing_steps(steps):
        kwargs = {k: v for k, v in step.items() if k != "name"}
        for key in ("gain", "offset", "threshold", "min", "max"):
            if len(kwargs.get(key, ())) == len(planes):
                kwargs["axis"] = "channel"
            elif key in kwargs:
                (kwargs[key],) = kwargs[key]
        if step["name"] == "clip" and not {"min_percentile", "max_percentile"} & kwargs.keys():
            del kwargs["axes"]
        name = "".join(part.capitalize() for part in step["name"].split("_"))
        described = getattr(v0_5, f"{name}Descr")(id=step["name"], kwargs=kwargs)
        operator = getattr(proc_ops, name).from_proc_descr(described, member)
        sample = Sample(members={member: tensor}, stat={}, id=None)
        sample.stat = compute_measures(operator.required_measures, [sample])
        operator(sample)
        tensor = sample.members[member]
    return np.asarray(tensor.data, np.float32)


@pytest.mark.parametrize("dtype", DTYPES)
# bioimageio.core 0.11 takes no threshold per channel, and no eps but 1e-6.
@pytest.mark.parametrize("name", sorted(CHAINS.keys() - {"thresholds"}))
def test_numbers_are_those_of_bioimageio(network, tmp_path, name, dtype) -> None:
    engine = pyengine.Engine(built(network, tmp_path, CHAINS[name]))
    image = image_of(dtype)
    got, want = engine.normalise(image), bioimageio_result(CHAINS[name], image)
    # Their means are sums in float32, ours in double: some 1e-6 of the spread of 10^4 values. A value
    # within rounding of a whole number may be cut to the one below.
    if name == "cast":
        assert np.mean(got != want) < 1e-3
        assert np.abs(got - want).max() <= 1
    else:
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5 * np.abs(want).max())


def test_eps_is_added_to_what_is_divided_by(network, tmp_path) -> None:
    image = image_of(np.float32)
    steps = [{"name": "zero_mean_unit_variance", "axes": ["y", "x"], "eps": 0.05}]
    got = pyengine.Engine(built(network, tmp_path, steps)).normalise(image)
    planes = image.astype(np.float64).transpose(2, 0, 1)
    mean, std = (f(planes, axis=(1, 2), keepdims=True) for f in (np.mean, np.std))
    np.testing.assert_allclose(got, (planes - mean) / (std + 0.05), atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CHAINS)
def test_tiles_threads_and_bands_change_no_bit(network, tmp_path, name, dtype) -> None:
    path = built(network, tmp_path, CHAINS[name])
    image = image_of(dtype, 150, 70)
    whole = pyengine.Engine(path, threads=1).segment(image, output="logits", tile=4096)
    engine = pyengine.Engine(path, threads=3)
    for tile in (16, (40, 24)):
        got = engine.segment(image, output="logits", tile=tile)
        np.testing.assert_array_equal(got, whole)
    np.testing.assert_array_equal(
        engine.segment(image[::-1], output="logits", tile=4096)[:, 0].shape, whole[:, 0].shape
    )
    tifffile.imwrite(tmp_path / "in.tif", np.stack([image, image[::-1]]), planarconfig="contig")
    np.save(tmp_path / "in.npy", image)
    engine.segment_file(tmp_path / "in.npy", tmp_path / "out.npy", output="logits", tile=16)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), whole)


def test_values_are_the_same_in_every_dtype(network, tmp_path) -> None:
    engine = pyengine.Engine(built(network, tmp_path, CHAINS["range"]))
    image = image_of(np.uint8)
    first = engine.normalise(image)
    for dtype in DTYPES[1:]:
        np.testing.assert_array_equal(engine.normalise(image.astype(dtype)), first)


def test_percentiles_are_exact(network, tmp_path) -> None:
    engine = pyengine.Engine(
        built(network, tmp_path, [{"name": "scale_range", "axes": ["y", "x"], "eps": 1e-12}])
    )
    rng = np.random.default_rng(3)
    image = (rng.standard_normal((40, 30, 2)) * 10.0 ** rng.integers(-20, 20, (40, 30, 2))).astype(
        np.float32
    )
    got = engine.normalise(image)
    assert got.min() == 0
    assert got.max() == 1
    image[:] = 4.25  # no range at all
    assert not engine.normalise(image).any()


@pytest.mark.parametrize("tta", ["flips", "d4"])
def test_turned_views_keep_the_statistics_of_the_image(network, tmp_path, tta) -> None:
    """Every view is normalised by the same numbers: as if the image had been before."""
    with_steps = pyengine.Engine(built(network, tmp_path, CHAINS["moments of each"]))
    image = image_of(np.float32)
    normalised = np.ascontiguousarray(with_steps.normalise(image).transpose(1, 2, 0))
    plain = tmp_path / "plain.pyengine"
    pyengine.build(network, plain, (1, 2, 16, 16))
    np.testing.assert_array_equal(
        with_steps.segment(image, output="logits", tta=tta),
        pyengine.Engine(plain).segment(normalised, output="logits", tta=tta),
    )


@pytest.mark.parametrize("padding", ["reflect", "replicate", "constant"])
def test_borders_are_those_of_the_normalised_image(network, tmp_path, padding) -> None:
    image = image_of(np.uint8)
    plain = tmp_path / "plain.pyengine"
    pyengine.build(network, plain, (1, 2, 16, 16))
    for steps in (CHAINS["range"], CHAINS["fixed"]):
        engine = pyengine.Engine(built(network, tmp_path, steps))
        normalised = np.ascontiguousarray(engine.normalise(image).transpose(1, 2, 0))
        np.testing.assert_array_equal(
            engine.segment(image, output="logits", padding_mode=padding, tile=16),
            pyengine.Engine(plain).segment(normalised, output="logits", padding_mode=padding),
        )


def test_classifiers_normalise_what_they_resized(tmp_path) -> None:
    torch.manual_seed(0)
    classifier = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(4, 3),
    )  # fmt: skip
    path = tmp_path / "c.pyengine"
    pyengine.build(
        classifier, path, (1, 1, 24, 24), preprocessing=[{"name": "zero_mean_unit_variance"}]
    )
    engine = pyengine.Engine(path)
    image = random_image(np.random.default_rng(0), 24, 24)
    logits = torch.from_numpy(engine.run(engine.normalise(image)[None])[0, :, 0, 0])
    found = engine.classify(image)
    np.testing.assert_allclose(found.probabilities, logits.softmax(0).numpy(), rtol=1e-6)
    larger = random_image(np.random.default_rng(0), 90, 70)
    brighter = larger.astype(np.float32) * 3 + 50
    np.testing.assert_allclose(
        engine.classify(larger).probabilities, engine.classify(brighter).probabilities, atol=1e-4
    )


def test_files_hold_what_readers_before_refuse(network, tmp_path) -> None:
    """Readers of earlier versions know the two affine steps and refuse other names."""
    engine = pyengine.Engine(built(network, tmp_path, CHAINS["cast"]))
    names = [step["name"] for step in engine.info.input["preprocessing"]]
    assert names == [step["name"] for step in CHAINS["cast"]]
    old = [{"name": "scale_linear", "gain": [2.0], "offset": [0.5]}]
    assert pyengine.Engine(built(network, tmp_path, old)).info.input["preprocessing"] == old


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"name": "sharpen"}, "unknown preprocessing 'sharpen'; scale_linear, .*scale_range"),
        ({"name": "scale_range", "min_percentile": 60, "max_percentile": 50}, "must be above min"),
        ({"name": "scale_range", "max_percentile": 101}, "must be from 0 to 100"),
        ({"name": "zero_mean_unit_variance", "eps": 0}, "must be above 0 and at most 0.1"),
        ({"name": "zero_mean_unit_variance", "axes": "x"}, r"axes must be \['y', 'x'\] or"),
        ({"name": "zero_mean_unit_variance", "sigma": 1}, "'sigma' = 1 is not known"),
        ({"name": "clip"}, "needs min, max or a percentile"),
        ({"name": "clip", "min": 3, "max": 3}, "must be above min"),
        ({"name": "clip", "min": 3, "min_percentile": 3}, "stands beside min_percentile"),
        ({"name": "binarize"}, "'binarize' needs 'threshold'"),
        ({"name": "binarize", "threshold": [1, 2, 3]}, "must hold 1 or 2 numbers"),
        ({"name": "binarize", "threshold": 1e39}, "overflows float32"),
        ({"name": "ensure_dtype", "dtype": "bool"}, "'bool' is not float32, uint8"),
        ({"gain": 2}, "needs a 'name'"),
    ],
)
def test_bad_steps_are_refused_by_name(network, tmp_path, step, words) -> None:
    with pytest.raises(ValueError, match=words):
        built(network, tmp_path, [step])
    assert not (tmp_path / "x.pyengine").exists()


def test_steps_in_bioimageio_form() -> None:
    described = [
        {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
        {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["batch", "x", "y"]}},
        {"name": "zero_mean_unit_variance", "kwargs": {"mode": "fixed", "mean": 3, "std": 2}},
        {"name": "scale_range", "kwargs": {"mode": "per_sample", "axes": "cyx"}},
    ]
    assert bioimageio_steps(described) == [
        {"name": "ensure_dtype", "dtype": "float32"},
        {"name": "zero_mean_unit_variance", "axes": ["y", "x"], "eps": 1e-6},
        {"name": "fixed_zero_mean_unit_variance", "mean": [3.0], "std": [2.000001]},
        {
            "name": "scale_range", "axes": ["channel", "y", "x"], "eps": 1e-6,
            "min_percentile": 0.0, "max_percentile": 100.0,
        },
    ]  # fmt: skip


def test_heads_from_postprocessing() -> None:
    assert head_of([]) is None
    assert head_of([{"id": "sigmoid"}, {"id": "ensure_dtype", "kwargs": {}}]) == "sigmoid"
    assert head_of([{"name": "softmax", "kwargs": {"axis": "channel"}}]) == "softmax"
    assert head_of([{"name": "sigmoid"}, {"name": "binarize", "threshold": 0.5}]) == "sigmoid"
    with pytest.raises(ValueError, match=r"threshold 0\.3"):
        head_of([{"name": "sigmoid"}, {"name": "threshold", "threshold": 0.3}])
    with pytest.raises(ValueError, match="'scale_range' is none that an engine does"):
        head_of([{"name": "scale_range"}])


def test_steps_on_the_command_line(network, tmp_path, capsys) -> None:
    from pyengine.cli import main

    assert parse_step("scale_range:axes=y+x,max_percentile=99.8") == {
        "name": "scale_range", "axes": ["y", "x"], "max_percentile": 99.8,
    }  # fmt: skip
    onnx = tmp_path / "net.onnx"
    torch.onnx.export(network, (torch.zeros(1, 2, 16, 16),), str(onnx), dynamo=False)
    path = tmp_path / "x.pyengine"
    command = ["build", str(onnx), "-o", str(path), "--normalise"]
    assert main([*command, "clip:min=1+2,max=9", "--normalise", "zero_mean_unit_variance"]) == 0
    steps = pyengine.Engine(path).info.input["preprocessing"]
    assert steps[0] == {"name": "clip", "min": [1.0, 2.0], "max": [9.0], "axes": AXES["together"]}
    assert steps[1]["name"] == "zero_mean_unit_variance"
    assert main(["info", str(path)]) == 0
    assert "zero_mean_unit_variance(axes=" in capsys.readouterr().out
    assert main([*command, "clip:min"]) == 2
    assert "a step must be NAME or NAME:key=value" in capsys.readouterr().err
    command = ["build", str(onnx), "-o", str(path), "--postprocess"]
    assert main([*command, "sigmoid"]) == 0
    assert pyengine.Engine(path).info.activation == "sigmoid"
    assert main([*command, "blur"]) == 2
    assert "blur" in capsys.readouterr().err


def test_manifests_are_json(network, tmp_path) -> None:
    steps = [{"name": "scale_range", "min_percentile": np.float32(1), "axes": ("y", "x")}]
    engine = pyengine.Engine(built(network, tmp_path, steps))
    assert json.loads(json.dumps(dict(engine.info.input)))["preprocessing"][0]["axes"] == ["y", "x"]
