"""Train one system: configuration, data, network, loop, checkpoint, top to bottom."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from train.augment import sample_patch
from train.config import TrainConfig
from train.data import data_root, isbi2012
from train.losses import border_weights
from train.metrics import best_v_rand
from train.unet import UNet, load_checkpoint, save_checkpoint


def whole_image_probabilities(
    model: UNet, image: np.ndarray, mean: float, std: float
) -> np.ndarray:
    """Membrane probability of a whole section: the network on the mirror-padded image.

    Parameters
    ----------
    model : UNet
        In evaluation mode.
    image : ndarray of uint8, shape (H, W)
    mean, std : float
        Normalisation of the training set, in grey values.

    Returns
    -------
    ndarray of float32, shape (H, W), in [0, 1]
    """
    height, width = image.shape
    config = model.config
    margin = config.margin
    down = config.output_size(height) - height
    right = config.output_size(width) - width
    padded = np.pad(image, ((margin, margin + down), (margin, margin + right)), mode="reflect")
    x = torch.from_numpy((padded.astype(np.float32) - mean) / std)[None, None]
    with torch.inference_mode():
        return torch.softmax(model(x), 1)[0, 1, :height, :width].numpy()


def validate(
    model: UNet, volume: isbi2012.Volume, sections: tuple[int, ...], mean: float, std: float
) -> dict:
    """Pixel accuracy and best V-Rand over whole validation sections."""
    model.eval()
    probabilities = np.stack(
        [whole_image_probabilities(model, volume.images[i], mean, std) for i in sections]
    )
    membranes = volume.membranes[list(sections)]
    rand, threshold = best_v_rand(probabilities, membranes == 0)
    return {
        "accuracy": float(((probabilities > 0.5) == membranes).mean()),
        "v_rand": rand,
        "v_rand_threshold": threshold,
    }


def fit(config: TrainConfig, out: Path, resume: bool = False) -> Path:
    """Train and keep two checkpoints, of the averaged weights: the last and the best.

    The best has the highest V-Rand on the validation sections, which therefore are not an
    independent test: say so wherever their scores are quoted.

    Parameters
    ----------
    config : TrainConfig
        All settings.
    out : Path
        Folder for ``last.pt``, ``best.pt`` and ``log.jsonl``.
    resume : bool
        Continue from ``last.pt``: weights, average, optimiser, generators and step.

    Returns
    -------
    Path
        The best checkpoint.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "last.pt"
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)

    volume = isbi2012.load(data_root() / "isbi2012")
    train = [i for i in range(len(volume.images)) if i not in config.validation_sections]
    mean, std = float(volume.images[train].mean()), float(volume.images[train].std())
    images = torch.from_numpy((volume.images.astype(np.float32) - mean) / std)
    weights = np.stack(
        [border_weights(m == 0, config.border_w0, config.border_sigma_px) for m in volume.membranes]
    )
    maps = torch.from_numpy(np.stack([volume.membranes.astype(np.float32), weights], axis=1))
    manifest = _manifest(config, mean, std)

    model, average = UNet(config.unet), UNet(config.unet)
    average.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    first_step, best = 0, 0.0
    if resume and checkpoint.is_file():
        average, manifest, state = load_checkpoint(str(checkpoint))
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["torch_rng"])
        rng.bit_generator.state = json.loads(state["numpy_rng"])
        first_step, best = state["step"], state["best"]
    model = model.to(memory_format=torch.channels_last)
    size, margin = config.unet.output_size(config.patch), config.unet.margin

    started = time.monotonic()
    for step in range(first_step, config.steps):
        progress = step / config.steps
        warm_up = min(1.0, (step + 1) / 100)
        rate = config.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * progress))
        for group in optimiser.param_groups:
            group["lr"] = rate
        pairs = []
        for _ in range(config.batch_size):
            i = train[int(rng.integers(len(train)))]
            pairs.append(
                sample_patch(
                    images[i][None, None], maps[i][None], size, margin,
                    config.elastic_sigma_px, config.scale_range, rng,
                )
            )  # fmt: skip
        x = torch.stack([p[0] for p in pairs]).to(memory_format=torch.channels_last)
        y = torch.stack([p[1] for p in pairs])
        model.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            logits = model(x)  # (B, K, size, size)
        pixel_loss = F.cross_entropy(logits.float(), y[:, 0].round().long(), reduction="none")
        loss = (pixel_loss * y[:, 1]).sum() / y[:, 1].sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        _average(average, model, min(config.ema_decay, (step + 1) / (step + 10)))

        if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
            scores = validate(average, volume, config.validation_sections, mean, std)
            record = {
                "step": step + 1, "loss": loss.item(), "seconds": time.monotonic() - started, **scores,
            }  # fmt: skip
            with open(out / "log.jsonl", "a") as log:
                log.write(json.dumps(record) + "\n")
            print(json.dumps(record), flush=True)
            manifest["provenance"]["metrics"] = scores
            manifest["provenance"]["steps"] = step + 1
            state = {
                "model": model.state_dict(), "optimiser": optimiser.state_dict(),
                "torch_rng": torch.get_rng_state(), "step": step + 1,
                "best": max(best, scores["v_rand"]),
                "numpy_rng": json.dumps(rng.bit_generator.state),
            }  # fmt: skip
            temporary = checkpoint.with_suffix(".tmp")
            save_checkpoint(str(temporary), average, manifest, state)
            temporary.replace(checkpoint)
            if scores["v_rand"] > best:
                best = scores["v_rand"]
                save_checkpoint(str(out / "best.pt"), average, manifest)
    calibrate(out / "best.pt", volume, train, config)
    return out / "best.pt"


def calibrate(
    checkpoint: Path, volume: isbi2012.Volume, sections: list[int], config: TrainConfig
) -> None:
    """Shift the membrane's bias so that the labels' accuracy on training sections is highest.

    The weight map makes the network call more membrane than there is. A constant added to one
    logit moves the point where labels change and nothing else; it is chosen on the sections
    trained on, so that the validation sections stay untouched.

    Parameters
    ----------
    checkpoint : Path
        Rewritten in place, with the scores that hold after the shift.
    volume : Volume
        All sections.
    sections : list of int
        Those to calibrate on.
    config : TrainConfig
        For the validation sections.
    """
    model, manifest, _ = load_checkpoint(str(checkpoint))
    step = manifest["input"]["preprocessing"][0]
    mean, std = step["mean"][0], step["std"][0]
    edges = np.linspace(0, 1, 201)
    interior, membrane = np.zeros(200), np.zeros(200)
    for i in sections:
        probability = whole_image_probabilities(model, volume.images[i], mean, std)
        truth = volume.membranes[i].astype(bool)
        membrane += np.histogram(probability[truth], edges)[0]
        interior += np.histogram(probability[~truth], edges)[0]
    # Right with threshold edges[k]: interior below it and membrane from it on.
    right = np.cumsum(interior)[:-1] + membrane.sum() - np.cumsum(membrane)[:-1]
    threshold = edges[1 + int(np.argmax(right))]
    with torch.no_grad():
        model.head.bias[1] -= math.log(threshold / (1 - threshold))
    manifest["provenance"]["calibrated_threshold"] = float(threshold)
    manifest["provenance"]["metrics"] = validate(
        model, volume, config.validation_sections, mean, std
    )
    save_checkpoint(str(checkpoint), model, manifest)


def _average(average: UNet, model: UNet, decay: float) -> None:
    """Exponential moving average of weights; batch-norm statistics are averaged alike."""
    with torch.no_grad():
        pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
        for kept, new in pairs:
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def _manifest(config: TrainConfig, mean: float, std: float) -> dict[str, Any]:
    """What the build step writes into the engine beside the network."""
    return {
        "task": "segmentation",
        "classes": [
            {"name": "interior", "color": [0, 0, 0]},
            {"name": "membrane", "color": [255, 64, 64]},
        ],
        "input": {
            "dtype": "uint8",
            "preprocessing": [
                {"name": "fixed_zero_mean_unit_variance", "mean": [mean], "std": [std]}
            ],
        },
        "provenance": {
            "training_data": "ISBI 2012 EM segmentation challenge, sections 1-24 of the labelled "
            "volume; validation sections "
            + ", ".join(str(i + 1) for i in config.validation_sections),
            "terms": "research use; cite Arganda-Carreras 2015 and Cardona 2010",
            "torch": str(torch.__version__),
            "seed": config.seed,
        },
    }
