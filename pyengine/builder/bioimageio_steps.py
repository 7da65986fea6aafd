"""Preprocessing in bioimage.io's words, for programs that measure the image before all steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyengine._core import UnsupportedError

_FIXED_EPS = 1e-6  # added to fixed deviations there
_MOST_EPS = 0.1
_PERCENTILES = {"min_percentile", "max_percentile"}


def described_steps(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Steps in bioimage.io's form, without those that change nothing.

    Each step here measures what the one before has left; `bioimageio.core` measures the image that
    it was given. A scale before a measure is therefore left out: its only trace is in `eps`.

    Raises
    ------
    UnsupportedError
        A step measures what another has made of the image.
    """
    described: list[dict[str, Any]] = []
    for step in filter(None, map(_step, steps)):
        if described and _measures(step):
            _without_scale(described, step)
        described.append(step)
    return described


def _measures(step: Mapping[str, Any]) -> bool:
    return step["id"] in ("zero_mean_unit_variance", "scale_range") or bool(
        _PERCENTILES & step["kwargs"].keys()
    )


def _without_scale(before: list[dict[str, Any]], step: dict[str, Any]) -> None:
    """Take the scale away that comes before `step`, which undoes it; refuse other steps."""
    name, last = step["id"], before[-1]
    gain = last["kwargs"].get("gain", 0)
    undone = name != "clip" and len(before) == 1 and last["id"] == "scale_linear"
    eps = step["kwargs"].get("eps", 0)
    if not undone or "axis" in last["kwargs"] or gain <= 0 or eps > _MOST_EPS * gain:
        raise UnsupportedError(
            f"preprocessing: {name} measures what {last['id']} has made of the image, but "
            "bioimage.io's programs measure the image before all steps; build the engine with "
            f"{name} as the first step to export it"
        )
    before.clear()
    step["kwargs"]["eps"] = eps / gain


def _step(step: Mapping[str, Any]) -> dict[str, Any] | None:
    """A step in bioimage.io's form; None where it changes nothing."""
    kwargs: dict[str, Any] = {k: v for k, v in step.items() if k != "name"}
    name = str(step["name"])
    if name == "fixed_zero_mean_unit_variance":
        kwargs["std"] = [max(value - _FIXED_EPS, _FIXED_EPS) for value in kwargs["std"]]
    if name == "scale_linear" and set(kwargs["gain"]) == {1.0} and set(kwargs["offset"]) == {0.0}:
        return None
    if name == "clip" and not {"min_percentile", "max_percentile"} & kwargs.keys():
        kwargs.pop("axes", None)
    each = max(
        (len(v) for k, v in kwargs.items() if isinstance(v, list) and k != "axes"), default=1
    )
    for key, value in kwargs.items():
        if isinstance(value, list) and key != "axes":
            kwargs[key] = value * (each // len(value)) if each > 1 else value[0]
    if each > 1:
        kwargs["axis"] = "channel"
    return {"id": name, "kwargs": kwargs}
