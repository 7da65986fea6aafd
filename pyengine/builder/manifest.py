"""What an engine file says about its network."""

from __future__ import annotations

import datetime
import platform
from typing import Any

from pyengine import _core
from pyengine.inputs.source import Source

# Distinct and readable over grey images; class 0 is background. (Okabe and Ito 2008, reordered.)
_COLORS = [
    (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178),
    (213, 94, 0), (204, 121, 167),
]  # fmt: skip


def make_manifest(
    source: Source,
    geometry: dict[str, Any],
    in_network: str | None,
    *,
    task: str | None,
    classes: list[str] | None,
    colors: list[tuple[int, int, int]] | None,
    input_dtype: str | None,
    preprocessing: list[dict[str, Any]] | None,
    activation: str | None,
    provenance: dict[str, Any] | None,
) -> dict[str, Any]:
    """The manifest, as asked for; what is None comes from the source, else from the network.

    Parameters
    ----------
    source : Source
    geometry : dict
        Of the core's ``analyze``.
    in_network : str or None
        The activation that the network ends in.
    task, classes, colors, input_dtype, preprocessing, activation, provenance
        As in `build`.

    Raises
    ------
    ValueError
        What is asked for does not fit the network.
    """
    brought = source.manifest
    head = _head(
        activation, in_network, brought.get("head", {}).get("activation"), geometry["classes"]
    )
    given = {"dtype": input_dtype, "preprocessing": preprocessing}
    defaults = {"dtype": "float32", "preprocessing": []} | brought.get("input", {})
    return {
        "task": _task(task or brought.get("task"), geometry),
        "classes": _classes(classes, colors, brought.get("classes"), geometry["classes"], head),
        "input": {
            "channels": source.sample_shape[1],
            **{key: defaults[key] if value is None else value for key, value in given.items()},
            "sample_size_px": list(source.sample_shape[2:]),
        },
        "head": {"activation": head, "in_network": in_network is not None},
        "halo": geometry["halo"],
        "alignment": geometry["alignment"],
        "provenance": {
            "source": source.description,
            "built": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "versions": {"pyengine": _core.__version__, "python": platform.python_version()},
            **brought.get("provenance", {}),
            **(provenance or {}),
        },
    }


def _task(task: str | None, geometry: dict[str, Any]) -> str:
    if task == "segmentation" and not geometry["dense"]:
        raise ValueError(f"task 'segmentation' needs one output per pixel: {geometry['reason']}")
    return task or ("segmentation" if geometry["dense"] else "classification")


def _head(asked: str | None, in_network: str | None, brought: str | None, outputs: int) -> str:
    head = asked or in_network or brought or ("softmax" if outputs > 1 else "sigmoid")
    if in_network and head != in_network:
        raise ValueError(f"activation {head!r}: the network itself ends in {in_network}")
    if head == "softmax" and outputs == 1:
        raise ValueError("activation 'softmax' needs several outputs, the network has 1")
    if head == "sigmoid" and outputs > 1 and not in_network:
        raise ValueError(
            f"activation 'sigmoid' is for a single output, the network has {outputs}: 'softmax' "
            "gives probabilities of classes that exclude one another"
        )
    return head


def _classes(
    names: list[str] | None,
    colors: list[tuple[int, int, int]] | None,
    brought: list[dict[str, Any]] | None,
    outputs: int,
    head: str,
) -> list[dict[str, Any]]:
    count = 2 if outputs == 1 and head == "sigmoid" else outputs
    if names is None and colors is None and brought is not None:
        return brought
    if names is None:
        names = [f"class {i}" for i in range(count)]
    if colors is None:
        colors = [_COLORS[i] if i < len(_COLORS) else _hashed(i) for i in range(len(names))]
    if len(names) != count or len(colors) != count:
        raise ValueError(
            f"the network tells {count} classes apart, got {len(names)} names and "
            f"{len(colors)} colors"
        )
    return [{"name": n, "color": [int(v) for v in c]} for n, c in zip(names, colors, strict=True)]


def _hashed(i: int) -> tuple[int, int, int]:
    return (i * 97 % 200 + 55, i * 57 % 200 + 55, i * 181 % 200 + 55)
