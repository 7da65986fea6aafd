"""Gathers a run's record, scores and cases, and fills the page's template."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from PIL import Image

from pyengine.atomic_file import write_atomically
from pyengine.distinct_files import check_distinct
from pyengine.overlay import overlay
from train.data.shown import shown_image
from train.data.store import Store
from train.evaluate import evaluate
from train.report import figures
from train.run import read_run
from train.settings import DataConfig
from train.subject import Subject, open_checkpoint, open_engine
from train.systems import System, find_system
from train.tasks import Task


def write_report(
    run: Path, engine: Path | None = None, part: str | None = None, data: Path | None = None
) -> Path:
    """Write ``run/report.html``: scores, curves, cases and provenance, in one file.

    Parameters
    ----------
    run : Path
        Folder of `train.fit`.
    engine : Path, optional
        The engine built from it; default: ``NAME.pyengine`` in the folder, else the checkpoint.
    part : {"validation", "test"}, optional
        Default: "test" if the data has one, else "validation".
    data : Path, optional
        The packed data set it was trained on; default: ``data.h5`` in the folder.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError, ValueError
        The folder is not that of a finished run.
    """
    record, config = read_run(run)
    system = find_system(config.system)
    task = system.make_task()
    store = Store(data or run / "data.h5", config.system)
    part = part or ("test" if store.part("test") else "validation")
    engine = engine or run / f"{config.name}.pyengine"
    read = [engine, store.path, run / "best.pt"]
    check_distinct(read, [(run / "report.html", "the report")])
    if engine.is_file():
        subject = open_engine(engine, config.data)
    else:
        subject = open_checkpoint(run / "best.pt", config.system, config.data)
    result = evaluate(subject, store, part)
    history = read_history(run)
    page = (
        _environment()
        .get_template("page.html")
        .render(
            title=system.title,
            config=config,
            record=record,
            system=system,
            result=result,
            rows=_rows(result, system, task),
            key=_key(result, system, task),
            plots=_plots(result, store, task),
            training=figures.training_plot(history, config.trainer.monitor, record["best_epoch"]),
            cases=_cases(subject, store, result, system, task),
            film=_film(run, store, config.data, task),
            engine=_engine_facts(subject),
            settings=json.dumps(record["config"], indent=2),
            minutes=record["seconds"] / 60,
            synthetic=store.names[0].startswith("synthetic/"),
        )
    )
    target = run / "report.html"
    write_atomically(target, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    return target


def _environment() -> Environment:
    folder = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True)


def read_history(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Columns of Lightning's ``logs/version_N/metrics.csv`` over epochs, counted from 1.

    Every resumed run has its own file; where two hold an epoch, the later one counts.
    """
    files = sorted(
        (run / "logs").glob("version_*/metrics.csv"), key=lambda f: int(f.parent.name[8:])
    )
    if not files:
        raise FileNotFoundError(
            f"{run / 'logs'}: holds no metrics.csv; `python -m train fit` writes it"
        )
    history: dict[str, dict[int, float]] = {}
    for path in files:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if value and name not in ("epoch", "step"):
                        history.setdefault(name, {})[int(row["epoch"]) + 1] = float(value)
    return {name: sorted(values.items()) for name, values in history.items()}


def _rows(result: dict[str, Any], system: System, task: Task) -> list[dict[str, str]]:
    rows = []
    human = result.get("second_observer", {})
    for key, title in task.score_titles().items():
        value = result["scores"].get(key)
        if value is None or np.isnan(value):
            continue
        low, high = result["intervals"].get(key, (None, None))
        rows.append(
            {
                "title": title.full,
                "published": f"{system.published_scores[key]:.2f}"
                if key in system.published_scores
                else "",
                "ours": f"{value:.4f}",
                "interval": f"{low:.3f} to {high:.3f}" if low is not None else "",
                "human": f"{human[key]:.4f}" if key in human else "",
            }
        )
    return rows


def _key(result: dict[str, Any], system: System, task: Task) -> list[dict[str, str]]:
    """The four scores that say most."""
    scores, titles = result["scores"], task.score_titles()
    return [
        {"title": titles[k].full, "ours": f"{scores[k]:.4f}"}
        for k in system.key_scores
        if k in scores and not np.isnan(scores[k])
    ][:4]


def _plots(result: dict[str, Any], store: Store, task: Task) -> list[str]:
    table = figures.confusion_plot(result["confusion"], store.classes)
    lines = task.lines(result)
    if not lines:
        return [table]
    return [figures.roc_plot(lines), figures.pr_plot(lines), table]


def _cases(
    subject: Subject, store: Store, result: dict[str, Any], system: System, task: Task
) -> list[dict[str, Any]]:
    """Best, median and worst image, each as picture, reference and answer."""
    # An image without the structure says little about how well it is outlined.
    pool = [c for c in result["cases"] if c.get("foreground_px", 1) > 0] or result["cases"]
    ranked = sorted(pool, key=lambda c: -c[task.case_score])
    chosen = [("Best", ranked[0]), ("Median", ranked[len(ranked) // 2]), ("Worst", ranked[-1])]
    cases: list[dict[str, Any]] = []
    for title, case in chosen:
        number = case["number"]
        picture = _displayed(shown_image(subject.data, store, number))
        entry = {"title": title, "name": case["name"], "caption": task.caption(case)}
        entry["image"] = figures.data_address(picture)
        for name, labels in task.label_maps(subject, store, number).items():
            entry[name] = figures.data_address(overlay(picture, labels, system.colors))
        cases.append(entry)
    return cases


def _displayed(image: np.ndarray) -> np.ndarray:
    """As uint8 RGB; of neighbouring slices the middle one."""
    planes = np.atleast_3d(image)
    if planes.shape[2] != 3:
        planes = np.repeat(planes[..., [planes.shape[2] // 2]], 3, axis=2)
    return planes.round().clip(0, 255).astype(np.uint8)


def _film(run: Path, store: Store, data: DataConfig, task: Task) -> str | None:
    files = sorted((run / "progress").glob("*.png"))
    number = store.part("validation")[0]
    reference = task.shade_reference(task.truth(data, store, number))
    if reference is None or not files:
        return None
    frames = [(int(f.stem), np.asarray(Image.open(f))) for f in files]
    return figures.progress_gif(_displayed(shown_image(data, store, number)), reference, frames)


def _engine_facts(subject: Subject) -> list[tuple[str, str]]:
    info = subject.engine.info
    facts = [
        ("scored", "engine file" if subject.kind == "engine" else "checkpoint, by PyTorch"),
        ("parameters", f"{info.parameters:,}"),
        ("executor", f"{info.executor}, {info.isa}"),
    ]
    if info.tileable:
        facts += [("halo", f"{info.halo} px"), ("alignment", f"{info.alignment} px")]
    return facts + [
        (k, _plain(v)) for k, v in info.provenance.items() if k not in ("metrics", "versions")
    ]


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    return str(value)
