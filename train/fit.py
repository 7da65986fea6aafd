"""Train one system: configuration, data, loop, best checkpoint, top to bottom."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import lightning
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch.utils.data import DataLoader

from train.data.normalization import normalization
from train.data.patches import EpochSampler, TrainingPairs
from train.data.store import Store
from train.export import export
from train.initial import load_initial_weights
from train.loop import Progress, make_trainer
from train.machine import has_bfloat16_units
from train.models import ClassifierConfig
from train.models.imagenet import load_imagenet_weights
from train.module import TrainingModule
from train.prepare import prepare
from train.run import clear_run, keep_inputs, last_state, refuse_loss
from train.settings import TrainConfig

_log = logging.getLogger(__name__)


def fit(
    config: TrainConfig,
    out: Path,
    *,
    data: Path | None = None,
    root: Path | None = None,
    initial: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    devices: int = 1,
    nodes: int = 1,
    strategy: str = "auto",
    accelerator: str = "auto",
    precision: str | None = None,
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
        Continue from ``last.ckpt``, which must be there. Patches, augmentation and dropout follow from seed and step, so
        that on one machine the result is the same, bit for bit, as without the stop.
    overwrite : bool
        Begin anew where `out` holds a run; what that wrote is deleted, but for the packed data.
        Excludes `resume`.
    devices, nodes, strategy, accelerator
        Lightning's, for several GPUs and machines.
    precision : str, optional
        Lightning's. Default: the configured one, but float32 in place of bfloat16 on processors
        that have no units for it and would compute many times as long.

    Returns
    -------
    Path
        ``best.pt``: the exported best checkpoint.

    Raises
    ------
    FileNotFoundError, ValueError
        Data or configuration that does not fit, a folder that holds a run or files in place of
        one, or no state to resume from.
    OSError
        A file cannot be written; the previous one is intact.
    """
    last = last_state(out, overwrite) if resume else None
    first = rank_zero_only.rank == 0  # further processes find the folder of this very run
    if first and not resume:
        refuse_loss(out, config.name, overwrite)
    initial = initial or _earlier_run(config, out)
    data = data or out / "data.h5"
    if first:
        keep_inputs(out, config.name, [data, *([initial] if initial else [])])
    out.mkdir(parents=True, exist_ok=True)
    if not data.is_file():
        prepare(config, root, data)
    store = Store(data, config.system)
    if not store.part("validation"):
        raise ValueError(f"{data}: holds no validation image")
    lightning.seed_everything(config.seed, verbose=False)
    normalize = normalization(store, config)
    pairs = TrainingPairs(store, config, normalize)
    _check(config, pairs, len(normalize.mean))
    batch, t = config.trainer.batch_size, config.trainer
    steps = t.epochs * max(1, pairs.length // (batch * devices * nodes))
    module = TrainingModule(config, store, normalize, steps)
    if isinstance(config.network, ClassifierConfig) and config.network.weights:
        load_imagenet_weights(module.network, Path(config.network.weights))
    start = None
    if initial is not None:
        samples = (pairs[i]["image"][None] for i in range(min(16, pairs.length)))
        start = load_initial_weights(module.network, initial, config.system, samples)
    progress = Progress(out)
    precision = precision or usable_precision(t.precision, accelerator)
    trainer = make_trainer(
        config, out, progress, precision=precision, devices=devices, nodes=nodes,
        strategy=strategy, accelerator=accelerator,
    )  # fmt: skip
    loader = _loader(pairs, config, trainer, last)
    if first and not resume:
        clear_run(out, config.name)
    _run(trainer, module, loader, last)
    if trainer.is_global_zero:
        export(config, out, store, normalize, trainer, progress.seconds(), precision, start)
    return out / "best.pt"


def _check(config: TrainConfig, pairs: TrainingPairs, channels: int) -> None:
    """Network and loss against data and task."""
    if config.network.in_channels != channels:
        raise ValueError(
            f"network.in_channels is {config.network.in_channels}, the images have {channels} "
            "channel(s)"
        )
    pairs.task.check(config)


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


def usable_precision(configured: str, accelerator: str) -> str:
    """The configured precision, or float32 where a CPU would have to emulate it.

    Without units for bfloat16 a step takes about twelve times as long as in float32.
    """
    on_gpu = accelerator not in ("auto", "cpu") or (
        accelerator == "auto" and (torch.cuda.is_available() or torch.backends.mps.is_available())
    )
    if on_gpu or not configured.startswith("bf16") or has_bfloat16_units():
        return configured
    _log.warning(
        "train: 32-true in place of %s: this processor has no units for bfloat16 "
        "(--precision %s insists)", configured, configured,
    )  # fmt: skip
    return "32-true"


def _loader(
    pairs: TrainingPairs, config: TrainConfig, trainer: lightning.Trainer, last: Path | None
) -> DataLoader:
    """Batches of training pairs, from the epoch on that follows the state in `last`."""
    t = config.trainer
    sampler = EpochSampler(pairs.length, trainer.global_rank, trainer.world_size)
    if last is not None:
        # Workers fetch ahead, before the loop tells the sampler its epoch.
        state = torch.load(last, map_location="cpu", weights_only=True)
        sampler.set_epoch(int(state["epoch"]) + 1)
    # Workers must not inherit a HDF5 file or threads: each starts afresh.
    spawn = {"multiprocessing_context": "spawn", "persistent_workers": True} if t.workers else {}
    return DataLoader(
        pairs, t.batch_size, sampler=sampler, num_workers=t.workers, drop_last=True, **spawn
    )


def _run(
    trainer: lightning.Trainer, module: TrainingModule, loader: DataLoader, last: Path | None
) -> None:
    """Lightning's loop, its errors as ours."""
    numbers = module.store.part("validation")
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
                ckpt_path=None if last is None else str(last), weights_only=True,
            )  # fmt: skip
        except MisconfigurationException as error:  # such as a score that nobody computes
            raise ValueError(f"{module.config.name}: {error}") from error
    if trainer.interrupted:
        raise KeyboardInterrupt
