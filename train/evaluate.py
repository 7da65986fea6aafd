"""Score an engine file or a checkpoint on whole images of a packed data set."""

from __future__ import annotations

from typing import Any

from train.data.store import Store
from train.metrics.bootstrap import bootstrap
from train.subject import Subject
from train.systems import find_system


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
        ``confusion``: counts of pixels or images, rows = reference; ``second_observer`` and
        ``curves`` where the task has them.

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
    task = system.make_task()
    info = subject.engine.info
    if len(info.classes) != len(store.classes) or info.task != task.engine_task:
        raise ValueError(
            f"{info.path}: {info.task} of {len(info.classes)} classes; "
            f"{system.name} is {task.engine_task} of {len(store.classes)}"
        )
    if width_px is not None and width_px < 1:
        raise ValueError(f"width must be at least 1 px, got {width_px}")
    if not task.any_size and subject.tta != "none":
        raise ValueError(f"tta {subject.tta!r} is for segmentation; {system.name} classifies")
    if not task.any_size and width_px is not None:
        raise ValueError(f"a width is for segmentation; {system.name} classifies at its own")
    result: dict[str, Any] = {
        "system": system.name,
        "kind": subject.kind,
        "part": part,
        "tta": subject.tta,
        "images": len(numbers),
        "subjects": len({store.subjects[n] for n in numbers}),
    }
    if width_px is not None:
        result["width_px"] = width_px
    tally, cases = task.tally(), []
    for number in numbers:
        probability = task.by_engine(subject, store, number, width_px)
        case = tally.add(probability, task.truth(subject.data, store, number, width_px))
        about = {"number": number, "name": store.names[number], "subject": store.subjects[number]}
        cases.append(about | case)
    result["scores"] = tally.scores()
    result["intervals"] = bootstrap(tally.resampled, len(numbers), draws=task.draws)
    result["cases"] = cases
    if second := tally.second_observer():
        result["second_observer"] = second
    result["confusion"] = tally.confusion()
    if curves := tally.curves():
        result["curves"] = curves
    return result
