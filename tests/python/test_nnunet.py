"""nnU-Net's results folders: the labels of its own predictor, and refusals by name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnunet_folder import LABELS, REGIONS, write_results_folder

import pyengine

pytest.importorskip("dynamic_network_architectures")


def predicted(folder: Path, image: np.ndarray, mirror: bool) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of nnU-Net's own predictor, on an image (H, W, C)."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ.setdefault(name, str(folder))
    pytest.importorskip("nnunetv2")
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        use_mirroring=mirror, perform_everything_on_device=False, device=torch.device("cpu"),
        allow_tqdm=False,
    )  # fmt: skip
    predictor.initialize_from_trained_model_folder(str(folder), use_folds=(0,))
    planes = image.astype(np.float32).transpose(2, 0, 1)[:, None]
    labels, probabilities = predictor.predict_single_npy_array(
        planes, {"spacing": [999.0, 1.0, 1.0]}, None, None, True
    )
    return labels[0], probabilities[:, 0]


def image_of(height: int, width: int, channels: int) -> np.ndarray:
    """Smooth structures and noise, nowhere zero."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:height, :width]
    planes = [
        128 + 60 * np.sin(y / (7 + c)) * np.cos(x / 11) + rng.normal(0, 15, (height, width))
        for c in range(channels)
    ]
    return np.clip(np.stack(planes, -1), 1, 255).astype(np.uint8)


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "residual": {"network": "ResidualEncoderUNet"},
    "regions": {"labels": REGIONS},
    "two channels, CT": {"schemes": ("CTNormalization",) * 2},
    "0 to 1": {"schemes": ("RescaleTo01Normalization",), "mirror": (1,)},
    "colours": {"schemes": ("RGBTo01Normalization",) * 3, "mirror": None},
}


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("size", [(90, 101), (32, 73), (21, 30)])
@pytest.mark.parametrize("case", CASES)
def test_labels_are_those_of_nnunet(tmp_path, case, size, mirror) -> None:
    folder = write_results_folder(tmp_path / "results", **CASES[case])
    axes = CASES[case].get("mirror", (0, 1))
    if mirror and axes is None:
        pytest.skip("no axes to mirror along")
    image = image_of(*size, len(CASES[case].get("schemes", ("",))))
    pyengine.build(folder, tmp_path / "x.pyengine")
    engine = pyengine.Engine(tmp_path / "x.pyengine")
    given = image[..., 0] if image.shape[2] == 1 else image
    options: dict[str, Any] = {"mode": "nnunet", "tta": "mirror" if mirror else "none"}
    want, probabilities = predicted(folder, image, mirror)
    got = engine.segment(given, output="probabilities", **options)
    # Its logits are summed as half-precision numbers of up to some tens: 11 bits of each of up to
    # nine windows, weighted.
    np.testing.assert_allclose(got, probabilities, atol=2e-2)
    labels = engine.segment(given, **options)
    near = probabilities if CASES[case].get("labels") is not REGIONS else None
    if near is None:
        ties = np.abs(probabilities - 0.5).min(0) < 1e-2
    else:
        ordered = np.sort(near, 0)
        ties = ordered[-1] - ordered[-2] < 2e-2
    differing = labels != want
    assert not (differing & ~ties).any()
    assert differing.mean() < 0.01


def test_windows_change_no_bit_by_bands_and_threads(tmp_path) -> None:
    folder = write_results_folder(tmp_path / "results")
    pyengine.build(folder, tmp_path / "x.pyengine")
    image = image_of(150, 70, 1)[..., 0]
    engine = pyengine.Engine(tmp_path / "x.pyengine", threads=3)
    want = pyengine.Engine(tmp_path / "x.pyengine", threads=1).segment(
        image, output="logits", mode="nnunet"
    )
    np.testing.assert_array_equal(engine.segment(image, output="logits", mode="nnunet"), want)
    np.save(tmp_path / "in.npy", image)
    engine.segment_file(tmp_path / "in.npy", tmp_path / "out.npy", output="logits", mode="nnunet")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), want)


def test_what_the_folder_says_is_in_the_file(tmp_path) -> None:
    folder = write_results_folder(tmp_path / "results", mirror=(1,))
    pyengine.build(folder, tmp_path / "x.pyengine")
    info = pyengine.Engine(tmp_path / "x.pyengine").info
    assert info.classes == tuple(LABELS)
    assert info.manifest["prediction"] == {"window_px": [32, 40], "mirror_axes": ["x"]}
    assert info.provenance["nnunet"]["folds"] == ["fold_0"]
    plain = tmp_path / "plain.pyengine"
    pyengine.build(torch.nn.Conv2d(1, 2, 3, padding=1), plain, (1, 1, 16, 16))
    with pytest.raises(pyengine.UnsupportedError, match="names no axes along which"):
        pyengine.Engine(plain).segment(np.zeros((20, 20), np.uint8), tta="mirror")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trainer": "nnUNetTrainerMine"}, "trained by nnUNetTrainerMine"),
        ({"previous_stage": "2d_lowres"}, "is the second stage of a cascade"),
        ({"preprocessor_name": "MyPreprocessor"}, "prepared by MyPreprocessor"),
        ({"spacing": [1.0, 0.0]}, "needs patch_size and a spacing above 0"),
        ({"spacing": []}, "needs patch_size and a spacing above 0"),
        ({"reader": "NibabelIOWithReorient"}, "read by NibabelIOWithReorient, which may turn"),
        ({"reader": "NibabelIO", "resampling_fn_data": "mine"}, "data are resampled by mine"),
        ({"labels": {"one": 1, "two": 2}}, "must name background as 0"),
        ({"labels": {"background": 0, "two": 2}}, "are not 0, 1, 2 and so on"),
        ({"mirror": (0, 2)}, "for a patch of 2 axes"),
        ({"trainer": "nnUNet_Primus_M_Trainer"}, "trained by nnUNet_Primus_M_Trainer"),
        ({"schemes": ("MyNormalization",)}, "MyNormalization is none of nnU-Net's own"),
        ({"architecture": {"network_class_name": "a.MyNet", "arch_kwargs": {}}}, "is a MyNet"),
    ],
)
def test_what_is_not_read_is_refused_by_name(tmp_path, changes, words) -> None:
    folder = write_results_folder(tmp_path / "results", **changes)
    with pytest.raises(ValueError, match=words):
        pyengine.build(folder, tmp_path / "x.pyengine")
    assert not (tmp_path / "x.pyengine").exists()


def test_folds_are_chosen(tmp_path) -> None:
    folder = write_results_folder(tmp_path / "results")
    with pytest.raises(ValueError, match="no fold 3; there are 0"):
        pyengine.build(folder, tmp_path / "x.pyengine", fold=3)
    shutil.copytree(folder / "fold_0", folder / "fold_1")
    pyengine.build(folder, tmp_path / "x.pyengine", fold=1)
    with pytest.raises(ValueError, match="are of configuration '2d', not '3d'"):
        pyengine.build(folder, tmp_path / "x.pyengine", fold=1, configuration="3d")
    shutil.rmtree(folder / "fold_0")
    shutil.rmtree(folder / "fold_1")
    with pytest.raises(FileNotFoundError, match="no fold_"):
        pyengine.build(folder, tmp_path / "x.pyengine")


def test_several_folds_are_their_mean(tmp_path) -> None:
    folder = write_results_folder(tmp_path / "results", folds=(0, 1, 4, "all"))
    image = image_of(60, 53, 1)[..., 0]
    given: dict[str, Any] = {"mode": "nnunet", "tta": "mirror", "output": "logits"}

    def logits(name: str, **options: Any) -> np.ndarray:
        pyengine.build(folder, tmp_path / name, **options)
        return pyengine.Engine(tmp_path / name).segment(image, **given)

    each = [logits(f"{fold}.pyengine", fold=fold) for fold in (0, 1, 4)]
    mean = logits("mean.pyengine")  # of all that are numbered, as nnU-Net predicts
    # The sums are the same numbers in another order.
    np.testing.assert_allclose(mean, np.mean(each, 0), atol=1e-4 * np.ptp(mean))
    assert np.abs(each[0] - mean).max() > 0.01 * np.ptp(mean)
    two = logits("two.pyengine", fold=[1, 4])
    np.testing.assert_allclose(two, np.mean(each[1:], 0), atol=1e-4 * np.ptp(two))
    info = pyengine.Engine(tmp_path / "mean.pyengine").info
    assert info.provenance["nnunet"]["folds"] == ["fold_0", "fold_1", "fold_4"]
    assert np.abs(logits("all.pyengine", fold="all") - mean).max() > 0.01 * np.ptp(mean)
    for wrong in ([], [0, 0], [0, 7]):
        with pytest.raises(ValueError, match="fold"):
            pyengine.build(folder, tmp_path / "no.pyengine", fold=wrong)


def test_plans_before_architectures_are_read(tmp_path) -> None:
    new = write_results_folder(tmp_path / "new")
    old = tmp_path / "old"
    shutil.copytree(new, old)
    plans = json.loads((old / "plans.json").read_text())
    configuration = plans["configurations"]["2d"]
    made = configuration.pop("architecture")["arch_kwargs"]
    configuration |= {
        "UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 8,
        "unet_max_num_features": 24, "n_conv_per_stage_encoder": made["n_conv_per_stage"],
        "n_conv_per_stage_decoder": made["n_conv_per_stage_decoder"],
        "conv_kernel_sizes": made["kernel_sizes"], "pool_op_kernel_sizes": made["strides"],
    }  # fmt: skip
    # Widths double there: 8, 16, 24 by the largest.
    (old / "plans.json").write_text(json.dumps(plans))
    image = image_of(40, 44, 1)[..., 0]
    results = []
    for folder in (new, old):
        pyengine.build(folder, tmp_path / f"{folder.name}.pyengine")
        engine = pyengine.Engine(tmp_path / f"{folder.name}.pyengine")
        results.append(engine.segment(image, output="logits"))
    np.testing.assert_array_equal(*results)


def test_a_checkpoint_that_is_cut_off_is_refused(tmp_path) -> None:
    folder = write_results_folder(tmp_path / "results")
    file = folder / "fold_0" / "checkpoint_final.pth"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="checkpoint_final.pth: PyTorch cannot read it"):
        pyengine.build(folder, tmp_path / "x.pyengine")
    assert not (tmp_path / "x.pyengine").exists()


def test_a_checkpoint_is_never_executed(tmp_path) -> None:
    folder = write_results_folder(tmp_path / "results")

    class Harm:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"network_weights": Harm()}, folder / "fold_0" / "checkpoint_final.pth")
    with pytest.raises(ValueError, match="cannot read it as weights alone"):
        pyengine.build(folder, tmp_path / "x.pyengine")
    assert not (tmp_path / "harm").exists()
