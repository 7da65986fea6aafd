"""What `build` is asked for, checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pyengine.arguments import positive

TASKS = ("segmentation", "classification")
ACTIVATIONS = ("softmax", "sigmoid", "none")
INPUT_DTYPES = ("uint8", "uint16", "float32")
EXECUTORS = ("auto", "cpu", "onnxruntime")
STATISTICS = ("image", "frozen")
LABEL_RULES = ("highest", "regions")


def check_word(name: str, value: object, known: Iterable[str]) -> None:
    """Refuse what is neither None nor one of the words of an option; ValueError."""
    if value is not None and value not in tuple(known):
        raise ValueError(f"{name} must be {' or '.join(map(repr, known))}, got {value!r}")


def check_classes(names: Any) -> None:
    """Refuse what is neither None nor a list of different names; TypeError or ValueError."""
    if names is None:
        return
    if not isinstance(names, Sequence) or isinstance(names, str):
        raise TypeError(f"classes must be a list of names, got {names!r}")
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"classes must be a list of names, got {list(names)}")
    if "" in names or len(set(names)) < len(names):
        raise ValueError(f"classes must have different names, none empty, got {list(names)}")


def check_colors(colors: Any) -> None:
    """Refuse what is neither None nor a list of RGB; ValueError."""
    if colors is not None and not (_is_list(colors) and all(map(_is_rgb, colors))):
        raise ValueError(f"colors must be a list of RGB from 0 to 255, got {colors!r}")


def _is_rgb(color: Any) -> bool:
    return (
        _is_list(color)
        and len(color) == 3
        and all(isinstance(v, (int, np.integer)) and 0 <= v <= 255 for v in color)
    )


def check_preprocessing(steps: Any) -> None:
    """Refuse what is neither None nor a list of dicts; what they hold, the core knows; TypeError."""
    if steps is not None and not (_is_list(steps) and all(isinstance(s, dict) for s in steps)):
        raise TypeError(f"preprocessing must be a list of dicts, one per step, got {steps!r}")


def check_output_name(names: Any) -> None:
    """Refuse what is neither None, nor a name, nor names; TypeError."""
    if names is None or isinstance(names, str):
        return
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"output_name must be a name or several, got {names!r}")


def check_context(executor: str, halo: Any, alignment: Any) -> None:
    """Refuse a halo or alignment that is none, or that nobody asks for; TypeError or ValueError."""
    if (halo, alignment) == (None, None):
        return
    if executor == "cpu":
        raise ValueError("halo and alignment are for onnxruntime; the CPU engine derives them")
    if halo is not None and halo != 0:
        positive("halo", halo)
    positive("alignment", alignment)


def check_statistics(statistics: Any, samples: Any, executor: str) -> None:
    """Refuse frozen statistics of nothing, or of a network that is not looked into; ValueError."""
    check_word("statistics", statistics, STATISTICS)
    if statistics != "frozen":
        return
    if not samples:
        raise ValueError("statistics='frozen' is measured over samples=: give network inputs")
    if executor == "onnxruntime":
        raise ValueError("statistics='frozen' is for the CPU engine, not for onnxruntime")


def _is_list(value: object) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str)
