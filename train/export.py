"""From the best state of a run to its checkpoint and its record."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import lightning
import torch

from pyengine.atomic_file import write_atomically
from train.checkpoint import save_checkpoint
from train.config import config_to_dict
from train.data.normalization import Normalization
from train.data.store import Store
from train.machine import machine_name
from train.module import TrainingModule
from train.settings import TrainConfig
from train.systems import find_system
from train.tasks.task import Calibrated


def export(
    config: TrainConfig, out: Path, store: Store, normalize: Normalization,
    trainer: lightning.Trainer, seconds: float, precision: str, initial: dict[str, Any] | None,
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
        "precision": precision,
        "parameters": sum(p.numel() for p in network.parameters()),
        "data_sha256": store.source_sha256,
        "subjects": {part: store.subjects_of(part) for part in ("train", "validation", "test")},
    }
    if initial is not None:
        run["initial"] = initial
    calibrated = module.task.calibrated(network, config, store, normalize)
    manifest = _manifest(config, store, normalize, run, calibrated)
    save_checkpoint(
        out / "best.pt", calibrated.network, calibrated.shape, manifest, config_to_dict(config)
    )
    text = json.dumps(run, indent=2)
    write_atomically(out / "run.json", lambda temporary: temporary.write_text(text))


def _manifest(
    config: TrainConfig,
    store: Store,
    normalize: Normalization,
    run: dict[str, Any],
    calibrated: Calibrated,
) -> dict[str, Any]:
    """What the build step writes into the engine beside the network."""
    system = find_system(config.system)
    synthetic = store.names[0].startswith("synthetic/")
    manifest: dict[str, Any] = {
        "task": system.make_task().engine_task,
        "classes": [
            {"name": name, "color": list(color)}
            for name, color in zip(system.classes, system.colors, strict=True)
        ],
        "input": {"dtype": "uint8", "preprocessing": normalize.preprocessing()},
        "head": {"activation": "softmax" if calibrated.shape.classes > 1 else "sigmoid"},
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
    manifest["provenance"] |= calibrated.provenance
    return manifest


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 20 else f"{len(names)} subjects"
