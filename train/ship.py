"""From a finished run to an engine file, its model card and the record of its scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

import pyengine
from pyengine.atomic_file import write_atomically
from pyengine.distinct_files import check_distinct
from train.data.store import Store, pack
from train.evaluate import evaluate
from train.prepare import data_folder
from train.results import case_name
from train.run import read_run
from train.settings import TrainConfig
from train.subject import open_engine
from train.systems import System, find_system
from train.tasks import Task

_KEPT = ("system", "kind", "part", "tta", "width_px", "images", "subjects")


def ship(run: Path, into: Path | None = None, data: Path | None = None) -> Path:
    """Build ``NAME.pyengine`` from ``run/best.pt``, score it, write card and record beside it.

    Weights are stored as float16. The engine carries its own scores, which makes it the second
    file built from the same network: the first is the one scored.

    Parameters
    ----------
    run : Path
        Folder of `train.fit`.
    into : Path, optional
        Folder for the three files; default: the run's.
    data : Path, optional
        The packed data set it was trained on; default: ``data.h5`` in the folder.

    Returns
    -------
    Path
        The engine file.

    Raises
    ------
    FileNotFoundError, ValueError
        The folder is not that of a finished run, or one of the three would replace what is read.
    """
    record, config = read_run(run)
    into = into or run
    data = data or run / "data.h5"
    target, scores, card = (into / f"{config.name}.{s}" for s in ("pyengine", "json", "md"))
    check_distinct(
        [run / "best.pt", run / "run.json", data],
        [(target, "the engine"), (scores, "its scores"), (card, "its card")],
    )
    into.mkdir(parents=True, exist_ok=True)
    pyengine.build(str(run / "best.pt"), target, weights="float16")
    parts = score_parts(target, config, Store(data, config.system))
    report = pyengine.build(
        str(run / "best.pt"), target, weights="float16",
        provenance={"metrics": {part: r["scores"] for part, r in parts.items()}},
    )  # fmt: skip
    record |= {"parts": parts, "parity": report.as_dict(), "engine_bytes": target.stat().st_size}
    text = json.dumps(record, indent=1, sort_keys=True)
    write_atomically(scores, lambda t: t.write_text(text + "\n"))
    described = model_card(record, config, find_system(config.system))
    write_atomically(card, lambda t: t.write_text(described))
    return target


def score_parts(engine: Path, config: TrainConfig, store: Store) -> dict[str, dict[str, Any]]:
    """Scores on validation and test part, and of phantom-trained classifiers on real images.

    Networks for images of several widths are scored at each.
    """
    subject = open_engine(engine, config.data)
    parts = {}
    for part in ("validation", "test"):
        numbers = store.part(part)
        if not numbers:
            continue
        there = {store.image(number).shape[1] for number in numbers}
        others = [w for w in config.data.reference_widths if there != {w}]
        for width_px in (None, *others):
            result = kept(evaluate(subject, store, part, width_px))
            parts[case_name(result)] = result
    system = find_system(config.system)
    folder = data_folder(system)
    if store.names[0].startswith("synthetic/") and system.load and folder and folder.is_dir():
        real = engine.with_suffix(".real.h5")
        try:
            images = (s for s in system.load(folder) if s.split == "test")
            pack(images, real, system.name, system.classes, config.split)
            parts["real"] = kept(evaluate(subject, Store(real, system.name), "test"))
        finally:
            real.unlink(missing_ok=True)
    return parts


def kept(result: dict[str, Any]) -> dict[str, Any]:
    """What a record holds of `train.evaluate.evaluate`'s result."""
    recorded = find_system(result["system"]).make_task().recorded
    part = {k: result[k] for k in (*_KEPT, *recorded) if k in result}
    part["scores"] = _rounded(part["scores"])
    part["intervals"] = {k: [round(v, 4) for v in b] for k, b in part["intervals"].items()}
    if "second_observer" in part:
        part["second_observer"] = _rounded(part["second_observer"])
    return part


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {k: round(v, 4) for k, v in scores.items() if v == v}  # NaN has no place in JSON


def model_card(record: dict[str, Any], config: TrainConfig, system: System) -> str:
    """The card of an engine, as Markdown."""
    folder = FileSystemLoader(Path(__file__).parent / "report")
    environment = Environment(loader=folder, trim_blocks=True, lstrip_blocks=True)
    task = system.make_task()
    return environment.get_template("card.md").render(
        network=config.network.describe(), loss=_loss_text(config, task), record=record, config=config,
        system=system, task=task, titles=task.score_titles(),
        precision=record.get("precision", config.trainer.precision),
        minutes=round(record["seconds"] / 60), megabytes=record["engine_bytes"] / 1e6,
    )  # fmt: skip


def _loss_text(config: TrainConfig, task: Task) -> str:
    loss = config.loss
    parts = [loss.name.replace("_", " ").replace("+", " and ")]
    if loss.border_w0:
        parts.append(f"border weights w0 = {loss.border_w0:g}, sigma = {loss.border_sigma_px:g} px")
    if config.trainer.calibrate and task.calibration:
        parts.append(
            f"afterwards {task.calibration} to the best {config.trainer.calibrate} on training "
            "images"
        )
    return "; ".join(parts)
