"""What an engine file says about its network."""

from __future__ import annotations

import datetime
import platform
from dataclasses import replace
from typing import Any

from pyengine import _core
from pyengine.builder.network import BuiltNetwork
from pyengine.builder.outputs import as_manifest
from pyengine.inputs.source import Source
from pyengine.outputs import NamedOutput
from pyengine.volumes.recipe import FIELD

# Distinct and readable over grey images; class 0 is background. (Okabe and Ito 2008, reordered.)
_COLORS = [
    (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178),
    (213, 94, 0), (204, 121, 167),
]  # fmt: skip


def make_manifest(
    source: Source,
    network: BuiltNetwork,
    names: list[str],
    *,
    task: str | None,
    classes: list[str] | None,
    colors: list[tuple[int, int, int]] | None,
    input_dtype: str | None,
    preprocessing: list[dict[str, Any]] | None,
    activation: str | None,
    label_rule: str | None,
    provenance: dict[str, Any] | None,
) -> dict[str, Any]:
    """The manifest, as asked for; what is None comes from the source, else from the network.

    Parameters
    ----------
    source : Source
    network : BuiltNetwork
    names : list of str
        Of the source's outputs, where one or several of several were chosen.
    task, classes, colors, input_dtype, preprocessing, activation, label_rule, provenance
        As in `build`.

    Raises
    ------
    ValueError
        What is asked for does not fit the network.
    """
    brought = source.manifest
    geometry, outputs = network.geometry, network.outputs
    planes = geometry["classes"]
    task = _task(task or brought.get("task"), geometry)
    if len(outputs) > 1:
        head = _no_head(activation, label_rule)
        classes = classes or _plane_names(outputs)
    else:
        planes = outputs[0].channels if outputs else planes
        asked = activation or network.in_network or brought.get("head", {}).get("activation")
        head = _head(activation, network.in_network, asked, planes, task, label_rule)
        outputs = tuple(
            replace(one, activation=head["activation"], in_network=head["in_network"])
            for one in outputs
        )
    given = {"dtype": input_dtype, "preprocessing": preprocessing}
    defaults = {"dtype": "float32", "preprocessing": []} | brought.get("input", {})
    manifest = {
        "task": task,
        "classes": _classes(
            classes or brought.get("class_names"), colors, brought.get("classes"), planes, head
        ),
        "input": {
            "channels": source.sample_shape[1],
            **{key: defaults[key] if value is None else value for key, value in given.items()},
            "sample_size_px": list(source.sample_shape[2:]),
        },
        "head": head,
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
    optional = {
        "prediction": brought.get("prediction"), FIELD: brought.get(FIELD),
        "outputs": as_manifest(outputs), "source_outputs": names, "executor": network.executor,
    }  # fmt: skip
    return manifest | {key: value for key, value in optional.items() if value}


def _task(task: str | None, geometry: dict[str, Any]) -> str:
    if task == "segmentation" and not geometry["dense"]:
        raise ValueError(f"task 'segmentation' needs one output per pixel: {geometry['reason']}")
    return task or ("segmentation" if geometry["dense"] else "classification")


def _no_head(activation: str | None, label_rule: str | None) -> dict[str, Any]:
    for name, value in (("activation", activation), ("label_rule", label_rule)):
        if value is not None:
            raise ValueError(f"{name} {value!r} is for one result, this network has several")
    return {"activation": "none", "in_network": False}


def _plane_names(outputs: tuple[NamedOutput, ...]) -> list[str]:
    return [
        one.name if one.planes == 1 else f"{one.name} {i}"
        for one in outputs
        for i in range(one.planes)
    ]


def _head(
    asked: str | None,
    in_network: str | None,
    brought: str | None,
    outputs: int,
    task: str,
    label_rule: str | None,
) -> dict[str, Any]:
    head = asked or in_network or brought or ("softmax" if outputs > 1 else "sigmoid")
    if in_network and head != in_network:
        raise ValueError(f"activation {head!r}: the network itself ends in {in_network}")
    if head == "softmax" and outputs == 1:
        raise ValueError("activation 'softmax' needs several outputs, the network has 1")
    entry = {"activation": head, "in_network": in_network is not None}
    regions = head == "sigmoid" and outputs > 1 and task == "segmentation"
    if label_rule == "regions" and not regions:
        raise ValueError("label_rule 'regions' is for a segmentation of several sigmoids")
    # Sigmoids that do not exclude one another have no highest.
    return entry | {"labels": label_rule or "regions"} if regions else entry


def _classes(
    names: list[str] | None,
    colors: list[tuple[int, int, int]] | None,
    brought: list[dict[str, Any]] | None,
    outputs: int,
    head: dict[str, Any],
) -> list[dict[str, Any]]:
    regions = head.get("labels") == "regions"
    background = regions or (outputs == 1 and head["activation"] == "sigmoid")
    count = outputs + 1 if background else outputs
    if names is None and colors is None and brought is not None and len(brought) == count:
        return brought
    if names is None:
        names = [f"class {i}" for i in range(count)]
    if regions and len(names) == outputs:
        names = ["background", *names]
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
