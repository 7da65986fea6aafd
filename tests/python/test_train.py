"""The U-Net, the metrics on cases worked by hand, and a training run that resumes."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from train import __main__ as command
from train.augment import sample_patch
from train.config import load_config
from train.data import isbi2012
from train.losses import border_weights
from train.metrics import best_v_rand, v_rand
from train.unet import UNet, UNetConfig, load_checkpoint


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("up", ["transposed", "upsample"])
def test_unet_sizes(depth, padding, up) -> None:
    config = UNetConfig(2, 3, base_width=2, depth=depth, padding=padding, up=up, dropout=0.1)
    net = UNet(config).eval()
    for wanted in (1, 17, 40):
        size = config.output_size(wanted)
        assert wanted <= size < wanted + config.alignment
        side = size + 2 * config.margin
        with torch.inference_mode():
            assert net(torch.zeros(1, 2, side, side)).shape == (1, 3, size, size)


def test_unet_is_the_papers() -> None:
    """572 -> 388 pixels, 64 to 1024 channels: 31.03 million parameters, as in the paper's figure 1."""
    config = UNetConfig(base_width=64, batch_norm=False)
    assert (config.margin, config.output_size(388)) == (92, 388)
    assert sum(p.numel() for p in UNet(config).parameters()) == 31_030_658
    assert UNetConfig(padding="same").margin == 0


@pytest.mark.parametrize(
    "wrong", [{"depth": 0}, {"dropout": 1.0}, {"up": "pixelshuffle"}, {"padding": "full"}]
)
def test_unet_refuses(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UNetConfig(**wrong)


def membrane_map(cells: np.ndarray) -> np.ndarray:
    return (cells == 0).astype(np.float32)


def test_v_rand_by_hand() -> None:
    truth = np.ones((5, 11), bool)
    truth[:, 5] = False  # two cells of 25 pixels
    perfect = membrane_map(truth.astype(int))
    assert v_rand(perfect, truth, 0.5) == pytest.approx(1)
    # Merged: s = {1}, t = {1/2, 1/2}, p = {1/2, 1/2}: 0.5 / (0.5 * 1 + 0.5 * 0.5).
    assert v_rand(np.zeros((5, 11)), truth, 0.5) == pytest.approx(0.5 / 0.75)
    # Split: one cell of 50 pixels (no membrane in the truth), cut by a line of one pixel in the
    # proposal: 25 + 25 pixels and 5 on the line that count one by one.
    whole = np.ones((5, 11), bool)
    joint = 2 * (25 / 55) ** 2 + 5 / 55**2
    assert v_rand(perfect, whole, 0.5) == pytest.approx(joint / (0.5 * joint + 0.5))
    # A thick membrane is thinned before scoring.
    thick = perfect.copy()
    thick[:, 4:7] = 1
    assert v_rand(thick, truth, 0.5) == pytest.approx(1, abs=0.02)


def test_best_v_rand_finds_the_threshold() -> None:
    """Weak membranes at 0.3: only thresholds at or below part the cells."""
    truth = np.ones((30, 30), bool)
    truth[:, 14] = truth[9] = False
    probability = np.where(truth, 0.1, 0.3)
    score, threshold = best_v_rand(probability[None], truth[None])
    assert score == pytest.approx(1)
    assert 0.1 < threshold <= 0.3


def test_border_weights_peak_between_cells() -> None:
    interior = np.ones((20, 21), bool)
    interior[:, 10] = False
    weights = border_weights(interior, w0=10, sigma_px=5)
    assert (weights[interior] == 1).all()
    np.testing.assert_allclose(weights[:, 10], 1 + 10 * np.exp(-((1 + 1) ** 2) / 50))
    assert (border_weights(interior, 0, 5) == 1).all()


def test_patches_move_image_and_labels_together() -> None:
    rng = np.random.default_rng(0)
    labels = (torch.arange(64)[None, :] + torch.arange(64)[:, None]) % 8 < 4
    image = labels.float()[None, None]
    agree = []
    for _ in range(10):
        x, y = sample_patch(image, image, 24, 10, 3.0, 0.2, rng)
        assert x.shape == (1, 44, 44)
        assert y.shape == (1, 24, 24)
        inner = x[0, 10:34, 10:34]
        agree.append(np.corrcoef(inner.ravel(), y[0].ravel())[0, 1])
    assert np.median(agree) > 0.7


def test_isbi_loader(data, tmp_path) -> None:
    volume = isbi2012.load(data / "isbi2012")
    assert volume.images.shape == volume.membranes.shape == (24, 512, 512)
    assert 0.2 < volume.membranes.mean() < 0.25  # 22 % membrane, says the data's own note
    with pytest.raises(FileNotFoundError, match=r"train-volume\.tif"):
        isbi2012.load(tmp_path)


def test_configuration_errors(tmp_path, capsys) -> None:
    with pytest.raises(ValueError, match="known: em-membranes"):
        load_config("nothing")
    (tmp_path / "x.toml").write_text('system = "x"\nlearning_speed = 1\n')
    with pytest.raises(ValueError, match="learning_speed"):
        load_config(str(tmp_path / "x.toml"))
    assert command.main(["fit", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err


def test_fit_resumes_bit_identically(data, tmp_path, monkeypatch) -> None:
    """Four steps at once, and two and two, give the same weights."""
    monkeypatch.setenv("PYENGINE_DATA", str(data))
    from train.fit import fit

    torch.set_num_threads(1)
    config = dataclasses.replace(
        load_config("em-membranes"), steps=4, checkpoint_every=2, patch=20, batch_size=1,
        validation_sections=(20,), unet=UNetConfig(base_width=2, depth=2, dropout=0.2),
    )  # fmt: skip
    fit(config, tmp_path / "whole")
    state = []
    with monkeypatch.context() as patch:
        # Stop after the first checkpoint, as a killed run would.
        import train.fit as module

        save = module.save_checkpoint

        def stop(path, *arguments):
            save(path, *arguments)
            if path.endswith("best.pt"):
                raise KeyboardInterrupt

        patch.setattr(module, "save_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(config, tmp_path / "parts")
    fit(config, tmp_path / "parts", resume=True)
    for name in ("whole", "parts"):
        model, manifest, resume = load_checkpoint(str(tmp_path / name / "last.pt"))
        assert resume["step"] == 4
        state.append(model.state_dict())
        assert set(manifest["provenance"]["metrics"]) == {"accuracy", "v_rand", "v_rand_threshold"}
    for key, value in state[0].items():
        assert torch.equal(value, state[1][key]), key
    lines = (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
