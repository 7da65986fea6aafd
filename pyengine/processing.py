"""Pre- and postprocessing in bioimage.io's words, as people write it and as engine files keep it.

A step is a dict: flat as in engine files, ``{"name": "scale_range", "axes": ["y", "x"]}``, or as in
bioimage.io's descriptions, ``{"id": "scale_range", "kwargs": {"axes": ["y", "x"]}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Step = dict[str, Any]

# What bioimage.io adds to each fixed deviation.
_FIXED_EPS = 1e-6
_AXES = {"c": "channel", "b": "batch"}
_TOGETHER = ["channel", "y", "x"]


def preprocessing_steps(steps: Iterable[Mapping[str, Any]]) -> list[Step]:
    """Steps as engine files keep them, every field given; unknown ones stay for the core to refuse.

    Parameters
    ----------
    steps : iterable of dict
        Flat, or with ``kwargs``. Axes may be words or letters; a batch axis counts for nothing,
        since images come one at a time.

    Returns
    -------
    list of dict

    Raises
    ------
    TypeError, ValueError
        A field of the wrong type, or one that the step does not have; the message names both.
    """
    return [_preprocessing_step(*_name_and_fields(step)) for step in steps]


def bioimageio_steps(steps: Iterable[Mapping[str, Any]]) -> list[Step]:
    """As `preprocessing_steps`, from a description of bioimage.io.

    There, 1e-6 is added to fixed deviations, and format 0.4 writes fixed means and deviations as a
    mode of ``zero_mean_unit_variance``.
    """
    converted = []
    for step in steps:
        name, fields = _name_and_fields(step)
        mode = fields.pop("mode", None)
        if name == "zero_mean_unit_variance" and mode == "fixed":
            name = "fixed_zero_mean_unit_variance"
            fields = {k: v for k, v in fields.items() if k in ("mean", "std")}
        if name == "fixed_zero_mean_unit_variance":
            fields["std"] = [value + _FIXED_EPS for value in _numbers("std", fields.get("std"))]
        converted.append(_preprocessing_step(name, fields))
    return converted


def head_of(steps: Iterable[Mapping[str, Any]]) -> str | None:
    """The activation that postprocessing stands for.

    Parameters
    ----------
    steps : iterable of dict
        ``sigmoid``, ``softmax`` over channels, casts, and a threshold of 0.5 after a sigmoid, which
        is what labels of a single output are.

    Returns
    -------
    {"sigmoid", "softmax"} or None

    Raises
    ------
    ValueError
        Steps that an engine does not do after its network.
    """
    head: str | None = None
    for step in steps:
        name, fields = _name_and_fields(step)
        if name in ("sigmoid", "softmax") and head is None:
            head = name
        elif name in ("binarize", "threshold") and head == "sigmoid":
            if _numbers("threshold", fields.get("threshold", 0.5)) != [0.5]:
                raise ValueError(
                    f"postprocessing {name!r}: threshold {fields['threshold']}; labels are those "
                    "above 0.5, for others leave it out and threshold the probabilities"
                )
        elif name != "ensure_dtype":
            raise ValueError(
                f"postprocessing {name!r} is none that an engine does: sigmoid or softmax, then "
                "binarize at 0.5; give postprocessing=[] to build without"
            )
    return head


def parse_step(text: str) -> Step:
    """A step as the command line gives it: ``NAME`` or ``NAME:key=value,key=value``.

    Values are numbers, words, or several of them joined by ``+``: ``scale_range:axes=y+x``.

    Raises
    ------
    ValueError
        What is not of that form.
    """
    name, _, rest = text.partition(":")
    fields: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not name or not key or not equals or not value:
            raise ValueError(
                f"a step must be NAME or NAME:key=value,key=value, got {text!r}, such as "
                "scale_range:min_percentile=1,max_percentile=99.8,axes=y+x"
            )
        words = [_number_or_word(word) for word in value.split("+")]
        fields[key] = words if len(words) > 1 or key == "axes" else words[0]
    return {"name": name, **fields}


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _name_and_fields(step: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if not isinstance(step, Mapping):
        raise TypeError(f"a step of processing must be a dict, got {step!r}")
    fields = dict(step)
    names = [fields.pop(key) for key in ("name", "id") if key in fields]
    if len(names) != 1 or not isinstance(names[0], str):
        raise ValueError(f"a step of processing needs a 'name', got {dict(step)!r}")
    kwargs = fields.pop("kwargs", None) or {}
    if not isinstance(kwargs, Mapping):
        raise TypeError(f"kwargs of {names[0]!r} must be a dict, got {kwargs!r}")
    return names[0], {**fields, **kwargs}


def _numbers(name: str, value: Any) -> list[float]:
    values = (
        value
        if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str)
        else [value]
    )
    if not all(
        isinstance(v, (int, float, np.integer, np.floating)) and not isinstance(v, bool)
        for v in values
    ):
        raise TypeError(f"{name} must be a number, or one per channel, got {value!r}")
    return [float(v) for v in values]


def _axes(name: str, value: Any) -> list[str]:
    """In words; a batch axis counts for nothing."""
    if value is None:
        return list(_TOGETHER)
    if not isinstance(value, (str, Sequence)) or not all(isinstance(axis, str) for axis in value):
        raise TypeError(f"axes must be names such as ['y', 'x'] or letters, got {value!r}")
    words = [_AXES.get(axis, axis) for axis in value]
    known = [axis for axis in _TOGETHER if axis in words]
    if set(words) - {"batch"} != set(known) or not {"y", "x"} <= set(known):
        raise ValueError(f"{name} must be ['y', 'x'] or ['channel', 'y', 'x'], got {value!r}")
    return known


def _number(name: str, value: Any) -> float:
    (number,) = values if len(values := _numbers(name, value)) == 1 else (None,)
    if number is None:
        raise TypeError(f"{name} must be one number, got {value!r}")
    return number


# Fields of each step: how they are read, and their defaults; those without are left out.
_Field = tuple[Callable[[str, Any], Any], Any]
_NEEDED, _NONE = object(), object()
_FIELDS: dict[str, dict[str, _Field]] = {
    "scale_linear": {"gain": (_numbers, [1.0]), "offset": (_numbers, [0.0])},
    "fixed_zero_mean_unit_variance": {"mean": (_numbers, _NEEDED), "std": (_numbers, _NEEDED)},
    "zero_mean_unit_variance": {"axes": (_axes, None), "eps": (_number, 1e-6)},
    "scale_range": {
        "axes": (_axes, None), "eps": (_number, 1e-6),
        "min_percentile": (_number, 0.0), "max_percentile": (_number, 100.0),
    },
    "clip": {
        "min": (_numbers, _NONE), "max": (_numbers, _NONE), "axes": (_axes, None),
        "min_percentile": (_number, _NONE), "max_percentile": (_number, _NONE),
    },
    "binarize": {"threshold": (_numbers, _NEEDED)},
    "ensure_dtype": {"dtype": (lambda _, value: value, _NEEDED)},
}  # fmt: skip
# Fields of bioimage.io's that say what is so here anyway.
_SILENT = {"axis": ("channel",), "reference_tensor": (None,), "mode": ("per_sample", None)}


def _preprocessing_step(name: str, fields: dict[str, Any]) -> Step:
    known = _FIELDS.get(name)
    if known is None:
        return {"name": name, **fields}  # the core knows what there is
    step: Step = {"name": name}
    for key, (read, default) in known.items():
        value = fields.pop(key, None)
        value = default if value is None else value
        if value is _NEEDED:
            raise ValueError(f"preprocessing {name!r} needs {key!r}")
        if value is not _NONE:
            step[key] = read(key, value)
    if name == "ensure_dtype" and step["dtype"] == "float64":
        step["dtype"] = "float32"  # what networks here compute in
    for key, value in fields.items():
        if key not in _SILENT or value not in _SILENT[key]:
            raise ValueError(f"preprocessing {name!r}: {key!r} = {value!r} is not known")
    return step
