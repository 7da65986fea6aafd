"""Score an engine file or a checkpoint on whole images of a packed data set."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pyengine
from pyengine.arguments import Augmentation
from train.checkpoint import load_checkpoint
from train.config import DataConfig
from train.data.shown import shown_image, shown_map
from train.data.store import Store
from train.metrics import classes, membranes, pixels
from train.systems import System, find_system

Scores = dict[str, float]


@dataclass(frozen=True)
class Subject:
    """What is scored.

    Attributes
    ----------
    engine : pyengine.Engine
        An engine file, or the tiler with a checkpoint's PyTorch network behind it.
    kind : {"engine", "checkpoint"}
    data : DataConfig
        How images are shown to it (size, neighbouring slices).
    tta : {"none", "flips", "d4"}
        Views of each image over which the logits are averaged, as in `pyengine.Engine.segment`.
    """

    engine: pyengine.Engine
    kind: str
    data: DataConfig
    tta: Augmentation = "none"


def open_engine(path_or_name: str | Path, data: DataConfig, tta: Augmentation = "none") -> Subject:
    """An engine file, or one that ships."""
    return Subject(pyengine.Engine(path_or_name), "engine", data, tta)


def open_checkpoint(
    path: Path, system: str, data: DataConfig, tta: Augmentation = "none"
) -> Subject:
    """A checkpoint, computed by PyTorch behind the engine's tiler.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file, not a checkpoint, or one of another system.
    """
    checkpoint = load_checkpoint(path, system)
    network = checkpoint.model

    @torch.inference_mode()
    def run(batch: np.ndarray) -> np.ndarray:
        return np.asarray(network(torch.from_numpy(batch)).numpy())

    with tempfile.TemporaryDirectory() as folder:
        # The file carries halo, classes and normalisation; its weights are not used.
        file = Path(folder) / "checkpoint.pyengine"
        pyengine.build(str(path), file)
        return Subject(pyengine.Engine(file, executor=run), "checkpoint", data, tta)


def evaluate(
    subject: Subject, store: Store, part: str = "validation", width_px: int | None = None
) -> dict[str, Any]:
    """Score on every annotated image of one part of the split.

    Parameters
    ----------
    subject : Subject
    store : Store
    part : {"train", "validation", "test"}
    width_px : int, optional
        Bring images and annotations to this width first, their proportions kept.

    Returns
    -------
    dict
        ``system``, ``kind``, ``part``, ``tta``, ``images``, ``subjects`` and, if given,
        ``width_px``; ``scores`` and ``intervals``
        (95 %, bootstrap over images); ``cases``: name, subject and score of each image;
        ``confusion``: counts of pixels or images, rows = reference; for segmentation ``curves``
        and, where there is one, ``second_observer``.

    Raises
    ------
    ValueError
        The part holds no image, the engine has other classes than the data, a width below 1 px, or
        a classifier is to be averaged over views or shown another width than its own.
    """
    system = find_system(store.system)
    numbers = store.part(part)
    if not numbers:
        raise ValueError(f"{store.path}: holds no {part} image")
    found = len(subject.engine.info.classes)
    if found != len(store.classes) or subject.engine.info.task != system.task:
        raise ValueError(
            f"{subject.engine.info.path}: {subject.engine.info.task} of {found} classes; "
            f"{system.name} is {system.task} of {len(store.classes)}"
        )
    result: dict[str, Any] = {
        "system": system.name,
        "kind": subject.kind,
        "part": part,
        "tta": subject.tta,
        "images": len(numbers),
        "subjects": len({store.subjects[n] for n in numbers}),
    }
    if width_px is not None:
        if width_px < 1:
            raise ValueError(f"width must be at least 1 px, got {width_px}")
        result["width_px"] = width_px
    if system.task == "classification":
        if subject.tta != "none":
            raise ValueError(f"tta {subject.tta!r} is for segmentation; {system.name} classifies")
        if width_px is not None:
            raise ValueError(f"a width is for segmentation; {system.name} classifies at its own")
        return result | _classification(subject, store, numbers, system)
    return result | _segmentation(subject, store, numbers, system, width_px)


def foreground(
    subject: Subject, store: Store, number: int, width_px: int | None = None
) -> np.ndarray:
    """Probability of class 1 on one whole image, float32 (H, W)."""
    image = shown_image(subject.data, store, number, width_px)
    return subject.engine.segment(image, output="probabilities", tta=subject.tta)[-1]


def _segmentation(
    subject: Subject, store: Store, numbers: list[int], system: System, width_px: int | None
) -> dict[str, Any]:
    counts, second, cases = [], [], []
    maps: list[tuple[np.ndarray, np.ndarray]] = []
    for number in numbers:
        probability = foreground(subject, store, number, width_px)
        reference = shown_map(subject.data, store, number, "label", width_px)
        region = shown_map(subject.data, store, number, "region", width_px)
        other = shown_map(subject.data, store, number, "second", width_px)
        assert reference is not None
        counts.append(pixels.count(probability, reference, region))
        if other is not None:
            second.append(pixels.count(other.astype(np.float32), reference, region))
        if system.membranes:
            maps.append((probability, ~reference))
        cases.append(
            {
                "number": number,
                "name": store.names[number],
                "subject": store.subjects[number],
                "dice": counts[-1].dice,
                "foreground_px": int(reference.sum()),
            }
        )
    scores: Scores = pixels.pooled(counts)
    intervals = pixels.bootstrap(
        lambda chosen: pixels.pooled([counts[i] for i in chosen]), len(counts)
    )
    result: dict[str, Any] = {"scores": scores, "intervals": intervals, "cases": cases}
    if system.membranes:
        extra, bounds = _membranes(maps)
        scores |= extra
        intervals |= bounds
    if len(second) == len(numbers):
        # An observer's labels have one operating point: no curve, no area.
        kept = ("accuracy", "sensitivity", "specificity", "precision", "dice", "iou")
        result["second_observer"] = {k: v for k, v in pixels.pooled(second).items() if k in kept}
    result["confusion"] = pixels.confusion(counts)
    result["curves"] = {k: _thinned(v) for k, v in pixels.curves(counts).items()}
    return result


def _membranes(maps: list[tuple[np.ndarray, np.ndarray]]) -> tuple[Scores, dict[str, Any]]:
    rand, threshold = membranes.best_v_rand([p for p, _ in maps], [i for _, i in maps])
    rands = np.array([membranes.v_rand(p, i, threshold) for p, i in maps])
    infos = np.array([membranes.v_info(p, i, threshold) for p, i in maps])
    bounds = pixels.bootstrap(
        lambda chosen: {
            "v_rand": float(rands[chosen].mean()),
            "v_info": float(infos[chosen].mean()),
        },
        len(maps),
    )
    return {"v_rand": rand, "v_info": float(infos.mean()), "v_rand_threshold": threshold}, bounds


def _thinned(curve: np.ndarray, points: int = 200) -> list[float]:
    """A curve in few points, for the report: a plot needs no more."""
    kept = np.unique(np.linspace(0, len(curve) - 1, points).round().astype(int))
    return [round(float(v), 5) for v in curve[kept]]


def _classification(
    subject: Subject, store: Store, numbers: list[int], system: System
) -> dict[str, Any]:
    truth, answers, cases = [], [], []
    for number in numbers:
        label = store.array(number, "label")
        assert label is not None
        answer = subject.engine.classify(store.image(number))
        truth.append(int(label))
        answers.append(answer.probabilities)
        cases.append(
            {
                "number": number,
                "name": store.names[number],
                "subject": store.subjects[number],
                "reference": system.classes[int(label)],
                "answer": answer.label,
                "probability": float(answer.probabilities[int(label)]),
            }
        )
    reference, probability = np.array(truth), np.array(answers)
    score: Callable[[list[int]], Scores] = lambda chosen: classes.scores(  # noqa: E731
        reference[chosen], probability[chosen]
    )
    return {
        "scores": score(list(range(len(truth)))),
        "intervals": pixels.bootstrap(score, len(truth), draws=500),
        "cases": cases,
        "confusion": classes.confusion(reference, probability).tolist(),
    }
