"""The table of results in ``train/RESULTS.md``, written from the records of `train.ship`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyengine.atomic_file import write_atomically
from train.systems import SYSTEMS

FOLDER = Path(__file__).parent / "results"
TABLE = Path(__file__).parent / "RESULTS.md"
_BEGIN, _END = "<!-- results: begin -->", "<!-- results: end -->"


def read_records() -> list[dict[str, Any]]:
    """All records, system by system, ours before the published variants."""
    order = {name: i for i, name in enumerate(SYSTEMS)}
    records = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return sorted(
        records,
        key=lambda r: (
            order[r["config"]["system"]],
            "published" in r["config"]["name"],
            r["config"]["name"],
        ),
    )


def table(records: list[dict[str, Any]]) -> str:
    """One Markdown row per configuration and part."""
    lines = [
        "| system | configuration | scored on | scores of the engine file on the CPU | published "
        "| training | machine, date |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for record in records:
        config = record["config"]
        system = SYSTEMS[config["system"]]
        titles = system.make_task().score_titles()
        for part, result in record["parts"].items():
            scores = ", ".join(
                f"{titles[k].short} {result['scores'][k]:.4f}"
                for k in system.key_scores
                if k in result["scores"]
            )
            human = result.get("second_observer")
            if human:
                scores += f"; second observer: Dice (F1) {human['dice']:.4f}, accuracy {human['accuracy']:.4f}"
            training = (
                f"{record['parameters'] / 1e6:.2f} M parameters, seed {config['seed']}, "
                f"{record['epochs']} epochs of {record['seconds_per_epoch'] / 60:.2f} min, "
                f"{record['seconds'] / 60:.0f} min in all"
            )
            if config.get("initial"):
                training += f", after those of `{config['initial']}`"
            synthetic = "synthetic " if config["data"]["phantoms"] and part != "real" else ""
            kind = result["part"] if part != "real" else part
            where = f"{result['images']} {synthetic}{kind} images of {result['subjects']} subjects"
            tta = result.get("tta", "none")
            if "width_px" in result:
                where += f", brought to {result['width_px']} px width"
            if tta != "none":
                where += f", mean over {tta} views"
            lines.append(
                f"| {system.title} | `{config['name']}` | {where} | {scores} | {system.published} "
                f"| {training} | {record['machine']}, {record['date']} |"
            )
    return "\n".join(lines)


def case_name(result: dict[str, Any]) -> str:
    """Part of the split, width of the images if changed, views: "test", "validation, 580 px, d4"."""
    width, tta = result.get("width_px"), result["tta"]
    return (
        result["part"]
        + ("" if width is None else f", {width} px")
        + ("" if tta == "none" else f", {tta}")
    )


def page_with(text: str, records: list[dict[str, Any]]) -> str:
    """`text` with the table between its two marks renewed."""
    head, _, rest = text.partition(_BEGIN)
    _, found, tail = rest.partition(_END)
    if not found:
        raise ValueError(f"{TABLE}: the marks {_BEGIN} and {_END} are missing")
    return f"{head}{_BEGIN}\n{table(records)}\n{_END}{tail}"


def add_part(name: str, result: dict[str, Any]) -> Path:
    """Add scores of a shipped engine to its record, beside those that `train.ship` took.

    Parameters
    ----------
    name : str
        Of the configuration.
    result : dict
        As from `train.ship.kept`.

    Raises
    ------
    FileNotFoundError
        The configuration has no record.
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no record of {name}; `python -m train ship` writes it")
    record = json.loads(path.read_text())
    record["parts"][case_name(result)] = result
    text = json.dumps(record, indent=1, sort_keys=True)
    write_atomically(path, lambda t: t.write_text(text + "\n"))
    return path


def update_results(runs: list[Path]) -> Path:
    """Copy the records of finished runs to ``train/results`` and renew the table.

    Raises
    ------
    FileNotFoundError
        A run has no record; `python -m train ship` writes it.
    """
    FOLDER.mkdir(exist_ok=True)
    for run in runs:
        name = json.loads((run / "run.json").read_text())["config"]["name"]
        record = run / f"{name}.json"
        if not record.is_file():
            raise FileNotFoundError(f"{record}: missing; `python -m train ship {run}` writes it")
        text = record.read_text()
        write_atomically(FOLDER / record.name, lambda t, text=text: t.write_text(text))
    page = page_with(TABLE.read_text(), read_records())
    write_atomically(TABLE, lambda t: t.write_text(page))
    return TABLE
