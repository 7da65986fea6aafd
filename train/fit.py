"""Train one system: configuration, data, loop, best checkpoint, top to bottom."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    TQDMProgressBar,
    WeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image
from torch.utils.data import DataLoader

from pyengine.atomic_file import write_atomically
from train.checkpoint import save_checkpoint
from train.config import TrainConfig, config_to_dict
from train.data.patches import EpochSampler, Normalization, TrainingPairs, normalization
from train.data.store import Store
from train.initial import load_initial_weights
from train.machine import machine_name
from train.models import ClassifierConfig, UNetConfig, build_network
from train.models.imagenet import load_imagenet_weights
from train.module import TrainingModule
from train.prepare import prepare
from train.systems import find_system
from train.whole_image import output_activation, probabilities


def fit(
    config: TrainConfig,
    out: Path,
    *,
    data: Path | None = None,
    root: Path | None = None,
    initial: Path | None = None,
    resume: bool = False,
    devices: int = 1,
    nodes: int = 1,
    strategy: str = "auto",
    accelerator: str = "auto",
) -> Path:
    """Train, keep the last and the best state, and export the best as a checkpoint.

    The best has the highest monitored score on the validation subjects, which therefore are not
    an independent test: say so wherever their scores are quoted.

    Parameters
    ----------
    config : TrainConfig
    out : Path
        Folder for ``best.pt``, ``run.json``, ``logs/``, ``progress/`` and Lightning's
        ``last.ckpt`` and ``best.ckpt``.
    data : Path, optional
        Packed data set; default: ``out/data.h5``, packed first if it is not there.
    root : Path, optional
        Folder of the data set, for packing.
    initial : Path, optional
        Checkpoint or engine file of the same network to start from, in place of random weights.
        Default, where the configuration names another one to start from: ``best.pt`` of that run,
        in the folder beside `out`.
    resume : bool
        Continue from ``last.ckpt``. Patches, augmentation and dropout follow from seed and step, so
        that on one machine the result is the same, bit for bit, as without the stop.
    devices, nodes, strategy, accelerator
        Lightning's, for several GPUs and machines.

    Returns
    -------
    Path
        ``best.pt``: the exported best checkpoint.

    Raises
    ------
    FileNotFoundError, ValueError
        Data or configuration that does not fit.
    OSError
        A file cannot be written; the previous one is intact.
    """
    out.mkdir(parents=True, exist_ok=True)
    data = data or out / "data.h5"
    if not data.is_file():
        prepare(config, root, data)
    store = Store(data, config.system)
    lightning.seed_everything(config.seed, verbose=False)
    normalize = normalization(store, config)
    pairs = TrainingPairs(store, config, normalize)
    _check_network(config, normalize)
    batch, t = config.trainer.batch_size, config.trainer
    steps = t.epochs * max(1, pairs.length // (batch * devices * nodes))
    module = TrainingModule(config, store, normalize, steps)
    if isinstance(config.network, ClassifierConfig) and config.network.weights:
        load_imagenet_weights(module.network, Path(config.network.weights))
    start = None
    initial = initial or _earlier_run(config, out)
    if initial is not None:
        samples = (pairs[i]["image"][None] for i in range(min(16, pairs.length)))
        start = load_initial_weights(module.network, initial, config.system, samples)
    progress = Progress(out)
    trainer = _trainer(config, out, progress, devices, nodes, strategy, accelerator)
    # Workers must not inherit a HDF5 file or threads: each starts afresh.
    spawn = {"multiprocessing_context": "spawn", "persistent_workers": True} if t.workers else {}
    loader = DataLoader(
        pairs, batch, sampler=EpochSampler(pairs.length, trainer.global_rank, trainer.world_size),
        num_workers=t.workers, drop_last=True, **spawn,
    )  # fmt: skip
    numbers = store.part("validation")
    if not numbers:
        raise ValueError(f"{data}: holds no validation image")
    last = out / "last.ckpt"
    with warnings.catch_warnings():
        # Whole validation images differ in size and are few: no workers for them.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists.*")
        # Every process scores all validation images: there is nothing to gather.
        warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
        try:
            trainer.fit(
                module, loader, DataLoader(numbers, batch_size=None),
                ckpt_path=str(last) if resume and last.is_file() else None, weights_only=True,
            )  # fmt: skip
        except MisconfigurationException as error:  # such as a score that nobody computes
            raise ValueError(f"{config.name}: {error}") from error
    if trainer.interrupted:
        raise KeyboardInterrupt
    if trainer.is_global_zero:
        _export(config, out, store, normalize, trainer, progress.seconds(), start)
    return out / "best.pt"


def _earlier_run(config: TrainConfig, out: Path) -> Path | None:
    if not config.initial:
        return None
    best = out.parent / config.initial / "best.pt"
    if not best.is_file():
        raise FileNotFoundError(
            f"{best}: missing; {config.name} starts from the weights of {config.initial}: run "
            f"`python -m train fit {config.initial} -o {best.parent}` first, or name a checkpoint "
            "or an engine file with --initial"
        )
    return best


def _check_network(config: TrainConfig, normalize: Normalization) -> None:
    channels, classes = len(normalize.mean), len(find_system(config.system).classes)
    network = config.network
    if network.in_channels != channels:
        raise ValueError(
            f"network.in_channels is {network.in_channels}, the images have {channels} channel(s)"
        )
    if isinstance(network, UNetConfig) != (find_system(config.system).task == "segmentation"):
        raise ValueError(f"network.kind {network.kind!r} does not do the task of {config.system}")
    allowed = {classes, 1} if classes == 2 else {classes}
    if network.classes not in allowed:
        raise ValueError(f"network.classes is {network.classes}, the system has {classes}")


def _trainer(
    config: TrainConfig,
    out: Path,
    progress: Progress,
    devices: int,
    nodes: int,
    strategy: str,
    accelerator: str,
) -> lightning.Trainer:
    t = config.trainer
    callbacks: list[Callback] = [
        ModelCheckpoint(out, "best", t.monitor, mode=t.monitor_mode, enable_version_counter=False),
        ModelCheckpoint(
            out, "last", every_n_epochs=t.validate_every_epochs, save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
        progress,
        TQDMProgressBar(refresh_rate=10),
    ]  # fmt: skip
    if t.ema_decay > 0:
        decay = t.ema_decay
        # Young averages follow quickly, or they would remember the random start.
        callbacks.append(
            WeightAveraging(
                avg_fn=lambda kept, new, n: (
                    torch.lerp(kept, new.to(kept.dtype), 1 - min(decay, float((1 + n) / (10 + n))))
                    if kept.dtype.is_floating_point
                    else new
                )
            )
        )
    if t.patience:
        callbacks.append(EarlyStopping(t.monitor, mode=t.monitor_mode, patience=t.patience))
    loggers: list[Any] = [CSVLogger(out, name="logs")]
    with contextlib.suppress(ModuleNotFoundError):  # optional; logs/ holds the same numbers
        loggers.append(TensorBoardLogger(out, name="tensorboard"))
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return lightning.Trainer(
        max_epochs=t.epochs, precision=t.precision, check_val_every_n_epoch=t.validate_every_epochs,
        callbacks=callbacks, logger=loggers, devices=devices, num_nodes=nodes, strategy=strategy,
        accelerator=accelerator, use_distributed_sampler=False, num_sanity_val_steps=0,
        enable_model_summary=False, log_every_n_steps=10,
    )  # fmt: skip


class Progress(Callback):
    """Time spent, over all resumed parts of a run, and after each validation one answer to see."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.started = time.monotonic()
        self.earlier = 0.0

    def on_validation_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Write ``progress/EPOCH.png``: the foreground's probability on the first image."""
        assert isinstance(module, TrainingModule)
        if trainer.is_global_zero and module.first_probability is not None:
            folder = self.out / "progress"
            folder.mkdir(exist_ok=True)
            grey = (255 * module.first_probability).astype(np.uint8)
            Image.fromarray(grey).save(folder / f"{trainer.current_epoch + 1:05d}.png")

    def seconds(self) -> float:
        """Since the start of the run, without the time between a stop and its resumption."""
        return self.earlier + time.monotonic() - self.started

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.earlier = state["seconds"]


def _export(
    config: TrainConfig, out: Path, store: Store, normalize: Normalization,
    trainer: lightning.Trainer, seconds: float, initial: dict[str, Any] | None,
) -> None:  # fmt: skip
    """Best weights with the engine's manifest, calibrated, and the record of the run."""
    state = torch.load(out / "best.ckpt", map_location="cpu", weights_only=True)
    module = TrainingModule(config, store, normalize, 1)
    module.load_state_dict(state["state_dict"])
    network = module.network.eval()
    run = {
        "config": config_to_dict(config),
        "date": date.today().isoformat(),
        "machine": machine_name(),
        "seconds": round(seconds, 1),
        "epochs": trainer.current_epoch,
        "best_epoch": int(state["epoch"]) + 1,
        "seconds_per_epoch": round(seconds / max(1, trainer.current_epoch), 2),
        "parameters": sum(p.numel() for p in network.parameters()),
        "data_sha256": store.source_sha256,
        "subjects": {part: store.subjects_of(part) for part in ("train", "validation", "test")},
    }
    if initial is not None:
        run["initial"] = initial
    shape = config.network
    if config.loss.name == "mse" and isinstance(shape, UNetConfig):
        network, shape = _as_logits(network, shape)
    threshold = calibrate(network, config, store, normalize)
    manifest = _manifest(config, store, normalize, run)
    if threshold is not None:
        manifest["provenance"]["calibrated_threshold"] = threshold
    save_checkpoint(out / "best.pt", network, shape, manifest, config_to_dict(config))
    text = json.dumps(run, indent=2)
    write_atomically(out / "run.json", lambda temporary: temporary.write_text(text))


def _as_logits(network: torch.nn.Module, shape: UNetConfig) -> tuple[torch.nn.Module, UNetConfig]:
    """The same labels from a logit, for a network that was trained to answer 0 or 1 itself.

    relu(x) > 0.5 where x > 0.5, so the ReLU can go; sigmoid(4 (x - 0.5)) is 0.5 there, with the
    slope of x.
    """
    linear = replace(shape, output="linear")
    twin = build_network(linear)
    twin.load_state_dict(network.state_dict())
    with torch.no_grad():
        twin.head.weight.mul_(4)
        twin.head.bias.sub_(0.5).mul_(4)
    return twin.eval(), linear


@torch.inference_mode()
def calibrate(
    network: torch.nn.Module, config: TrainConfig, store: Store, normalize: Normalization
) -> float | None:
    """Shift the foreground's bias so that labels score highest on training images.

    Weighted losses call more, or less, foreground than there is. A constant added to one logit
    moves the point where labels change and nothing else; it is chosen on images trained on, so
    that the validation subjects stay untouched.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    config, store, normalize
        Of the run; ``trainer.calibrate`` names the score, "" = leave as it is.

    Returns
    -------
    float or None
        The probability where labels changed before the shift.
    """
    shape, goal = config.network, config.trainer.calibrate
    if not goal or not isinstance(shape, UNetConfig) or config.loss.name == "mse":
        return None
    edges = np.linspace(0, 1, 201)
    negative, positive = np.zeros(200), np.zeros(200)
    output = output_activation(shape.classes, config.loss.name)
    numbers = store.part("train")
    for number in numbers[:: max(1, len(numbers) // 100)]:
        image = torch.from_numpy(normalize(store.image(number, config.data.adjacent)))
        probability = probabilities(network, shape, image, output)[1].numpy()
        label, region = store.array(number, "label"), store.array(number, "region")
        inside = np.ones(probability.shape, bool) if region is None else region
        truth = np.asarray(label)[inside] > 0
        positive += np.histogram(probability[inside][truth], edges)[0]
        negative += np.histogram(probability[inside][~truth], edges)[0]
    # With threshold edges[k], pixels from bin k on are foreground.
    true_positive = (positive.sum() - np.cumsum(positive))[:-1]
    false_positive = (negative.sum() - np.cumsum(negative))[:-1]
    if goal == "accuracy":
        score = true_positive + negative.sum() - false_positive
    else:
        score = 2 * true_positive / (true_positive + false_positive + positive.sum())
    threshold = float(edges[1 + int(np.argmax(score))])
    network.head.bias[-1] -= math.log(threshold / (1 - threshold))
    return threshold


def _manifest(
    config: TrainConfig, store: Store, normalize: Normalization, run: dict[str, Any]
) -> dict[str, Any]:
    """What the build step writes into the engine beside the network."""
    system = find_system(config.system)
    synthetic = store.names[0].startswith("synthetic/")
    manifest: dict[str, Any] = {
        "task": system.task,
        "classes": [
            {"name": name, "color": list(color)}
            for name, color in zip(system.classes, system.colors, strict=True)
        ],
        "input": {"dtype": "uint8", "preprocessing": normalize.preprocessing()},
        "head": {"activation": "softmax" if config.network.classes > 1 else "sigmoid"},
        "provenance": {
            "system": system.name,
            "configuration": config.name,
            "training_data": "synthetic OCT phantoms" if synthetic else system.training_data,
            "terms": "none" if synthetic else system.terms,
            "data_sha256": store.source_sha256,
            "validation_subjects": _listed(run["subjects"]["validation"]),
            "epochs": run["best_epoch"],
            "seed": config.seed,
            "torch": str(torch.__version__),
        },
    }
    if "initial" in run:
        manifest["provenance"]["initial"] = run["initial"]
    return manifest


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 20 else f"{len(names)} subjects"
