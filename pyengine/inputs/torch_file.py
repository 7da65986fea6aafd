"""What PyTorch's files are, found out without running anything that they hold."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Where training code keeps the weights in what it saves.
_PLACES = (
    "state_dict", "model_state_dict", "network_weights", "model_state", "model", "net", "network",
    "weights", "params", "ema",
)  # fmt: skip
# What wrappers put before the names of weights.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.")


def archive_names(path: Path) -> list[str]:
    """Names inside a zip archive, without the folder around all; empty for other files."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return [name.partition("/")[2] for name in archive.namelist()]


def load_weights_only(path: Path) -> Any:
    """What a file of weights holds, read without executing it.

    Raises
    ------
    ValueError
        It holds more than numbers and plain values, or is no such file.
    """
    import torch

    if path.suffix.lower() == ".safetensors":
        from pyengine.inputs.source import require

        require("safetensors", "build")
        from safetensors.torch import load_file

        return load_file(path)
    try:
        with torch.serialization.safe_globals(_plain_numpy()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # PyTorch's own words take many lines, and advise to run the code that a file may hold.
        raise ValueError(f"{path}: PyTorch cannot read it as weights alone") from error


def _plain_numpy() -> list[Any]:
    """Types of NumPy's that hold numbers and nothing else."""
    import numpy as np

    core: Any = np._core if hasattr(np, "_core") else np.core  # NumPy before 2
    types = [np.ndarray, np.dtype, core.multiarray.scalar, core.multiarray._reconstruct]
    return types + [type(np.dtype(name)) for name in ("f2", "f4", "f8", "i4", "i8", "u1", "?")]


def is_state_dict(data: Any) -> bool:
    """Whether it is a dict of tensors."""
    import torch

    return (
        isinstance(data, Mapping)
        and len(data) > 0
        and all(isinstance(name, str) for name in data)
        and all(isinstance(value, torch.Tensor) for value in data.values())
    )


def state_dicts(data: Any) -> list[Mapping[str, Any]]:
    """All dicts of tensors in what training code saved, the likeliest first."""
    if not isinstance(data, Mapping):
        return []
    places = [data, *(data[name] for name in _PLACES if name in data)]
    return [place for place in places if is_state_dict(place)]


def fit_weights(module: Any, data: Any, path: Path) -> None:
    """Give a module the weights that fit it, prefixes of wrappers taken off where that makes them.

    Raises
    ------
    ValueError
        None fit; the message names what is missing and what is too much.
    """
    wanted = module.state_dict()
    best: tuple[int, list[str], list[str], list[str]] | None = None
    for found in state_dicts(data):
        for weights in _without_prefixes(found):
            missing = sorted(wanted.keys() - weights.keys())
            surplus = sorted(weights.keys() - wanted.keys())
            shapes = [
                f"{name} {tuple(weights[name].shape)} for {tuple(value.shape)}"
                for name, value in wanted.items()
                if name in weights and weights[name].shape != value.shape
            ]
            if not missing and not shapes and not surplus:
                module.load_state_dict(weights)
                return
            faults = len(missing) + len(surplus) + len(shapes)
            if best is None or faults < best[0]:
                best = faults, missing, surplus, shapes
    if best is None:
        raise ValueError(f"{path}: holds no weights by name")
    told = [
        f"{what} {', '.join(names[:3])}{' and more' * (len(names) > 3)}"
        for what, names in zip(("missing", "surplus", "another shape:"), best[1:], strict=True)
        if names
    ]
    raise ValueError(f"{path}: the weights do not fit {type(module).__name__}: {'; '.join(told)}")


def _without_prefixes(weights: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The weights by their names, and by names without one prefix after the other."""
    variants = [dict(weights)]
    while True:
        names = variants[-1]
        prefix = next((p for p in _PREFIXES if all(n.startswith(p) for n in names)), None)
        if prefix is None:
            # Lightning keeps losses and metrics beside the network.
            parts = [p for p in _PREFIXES if any(n.startswith(p) for n in names)]
            return variants + [
                {n[len(p) :]: v for n, v in names.items() if n.startswith(p)} for p in parts
            ]
        variants.append({name[len(prefix) :]: value for name, value in names.items()})
