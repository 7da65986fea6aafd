"""Bundles of MONAI: a folder (or its zip) of configuration and weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyengine.inputs.module import Module
from pyengine.inputs.package import Package, names_in, open_package
from pyengine.inputs.source import InputKind, Source, SourceKeywords, is_path, require
from pyengine.inputs.torch_file import fit_weights, load_weights_only
from pyengine.inputs.torchscript import load_torchscript
from pyengine.inputs.weights import make_module

_METADATA = "configs/metadata.json"
_CONFIGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_SCRIPTS = ("models/model.ts", "models/model.ts.zip")
_WEIGHTS = ("models/model.pt", "models/model.pth", "models/model.safetensors")
_NETWORKS = ("network_def", "network", "net_def", "net")


class MonaiBundle(InputKind):
    """A folder with ``configs/metadata.json`` and ``models``, or a zip of it."""

    title = "a path to a MONAI bundle"
    file_title = "MONAI bundle"
    keywords = ("allow_code",)

    def takes(self, source: Any) -> bool:
        if not is_path(source):
            return False
        path = Path(source)
        if path.is_dir():
            return (path / _METADATA).is_file()
        return "configs" in _folders_in_zip(path) and "metadata.json" not in names_in(path)

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        with open_package(Path(source)) as package:
            return _Bundle(package).source(sample_shape, bool(options.get("allow_code", False)))


def _folders_in_zip(path: Path) -> set[str]:
    import zipfile

    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return set()
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(_METADATA)]
    return {"configs"} if names else set()


class _Bundle:
    def __init__(self, package: Package) -> None:
        self.package, self.title = package, package.title
        self.metadata = json.loads(package.file(_METADATA).read_text("utf-8"))
        self.config = self._read_config()

    def _read_config(self) -> dict[str, Any]:
        for name in _CONFIGS:
            if self.package.has(name):
                text = self.package.file(name).read_text("utf-8")
                if name.endswith(".json"):
                    return dict(json.loads(text))
                require("yaml", "bioimageio")
                import yaml

                return dict(yaml.safe_load(text))
        return {}

    def source(self, sample_shape: tuple[int, ...] | None, allow_code: bool) -> Source:
        image: dict[str, Any] = next(iter(self._formats("inputs").values()), {})
        if sample_shape is None:
            sample_shape = _sample_shape(image)
        spatial = image.get("spatial_shape") or []
        if len(spatial) == 3:
            raise ValueError(f"{self.title}: the bundle's network is for three dimensions")
        loaded = self._network(sample_shape, allow_code)
        loaded.description = f"{self.metadata.get('name', self.title)} (MONAI bundle)"
        loaded.manifest = self._manifest()
        return loaded

    def _formats(self, key: str) -> dict[str, Any]:
        return dict(self.metadata.get("network_data_format", {}).get(key, {}))

    def _network(self, sample_shape: tuple[int, ...] | None, allow_code: bool) -> Source:
        for name in _SCRIPTS:
            if self.package.has(name):
                return load_torchscript(self.package.file(name), sample_shape)
        weights = next((name for name in _WEIGHTS if self.package.has(name)), None)
        definition = next((self.config[n] for n in _NETWORKS if n in self.config), None)
        if weights is None or not isinstance(definition, Mapping):
            raise ValueError(
                f"{self.title}: needs {' or '.join(_SCRIPTS)}, or {_WEIGHTS[0]} with a "
                f"'{_NETWORKS[0]}' in {_CONFIGS[0]}"
            )
        require("torch", "train")
        require("monai", "train")
        module = self._module(definition, allow_code)
        path = self.package.file(weights)
        fit_weights(module, load_weights_only(path), path)
        return Module().load(module, sample_shape, {})

    def _module(self, definition: Mapping[str, Any], allow_code: bool) -> Any:
        """The network of its definition; only MONAI's own classes unless code is allowed."""
        if allow_code:
            from monai.bundle import ConfigParser

            parser = ConfigParser({**self.config, "_network": definition})
            return parser.get_parsed_content("_network")
        plain = self._plain(definition)
        target = str(plain.pop("_target_", ""))
        if not re.fullmatch(r"(monai\.networks\.nets\.)?\w+", target):
            raise ValueError(
                f"{self.title}: {target!r} is no network of MONAI's; allow_code=True runs it"
            )
        known = {k: v for k, v in plain.items() if not k.startswith("_")}
        return make_module(f"monai.networks.nets:{target.rpartition('.')[2]}", known)

    def _plain(self, value: Any, depth: int = 0) -> Any:
        """Values with their references followed; expressions are code."""
        if isinstance(value, Mapping):
            return {k: self._plain(v, depth) for k, v in value.items()}
        if isinstance(value, list):
            return [self._plain(v, depth) for v in value]
        if isinstance(value, str) and value.startswith("@") and depth < 16:
            found: Any = self.config
            for key in re.split("::|#", value[1:]):
                found = found[int(key)] if isinstance(found, list) else found.get(key)
            return self._plain(found, depth + 1)
        if isinstance(value, str) and value.startswith("$"):
            raise ValueError(
                f"{self.title}: the expression {value!r} is Python code, which allow_code=True runs"
            )
        return value

    # ---- the manifest --------------------------------------------------------------------------

    def _manifest(self) -> dict[str, Any]:
        output: dict[str, Any] = next(iter(self._formats("outputs").values()), {})
        manifest: dict[str, Any] = {
            "input": {"dtype": "float32", "preprocessing": self._preprocessing()},
            "provenance": {
                "monai_bundle": {
                    k: self.metadata[k]
                    for k in ("name", "version", "task", "description", "authors", "license")
                    if k in self.metadata
                }
            },
        }
        names = output.get("channel_def") or {}
        in_order = [str(names.get(str(i), "")) for i in range(len(names))]
        if len(in_order) > 1 and all(in_order) and len(set(in_order)) == len(in_order):
            manifest["class_names"] = in_order
        return manifest

    def _preprocessing(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = []
        definition = self.config.get("preprocessing") or {}
        transforms = definition.get("transforms", []) if isinstance(definition, Mapping) else []
        for transform in transforms if isinstance(transforms, list) else []:
            name = str(transform.get("_target_", "")).rpartition(".")[2].removesuffix("d")
            if transform.get("_disabled_") is True or name in _NO_INTENSITIES:
                continue
            if name not in _INTENSITIES:
                raise ValueError(
                    f"{self.title}: the transform {name!r} is none that an engine does; give the "
                    f"network in {_WEIGHTS[0]} with module=, and preprocessing="
                )
            steps += _INTENSITIES[name](self._plain(transform))
        return steps


def _sample_shape(image: Mapping[str, Any]) -> tuple[int, ...] | None:
    """A size that fits the words of the metadata, such as ``"32*n"`` or ``"*"``."""
    spatial, channels = image.get("spatial_shape"), image.get("num_channels")
    if not isinstance(spatial, list) or len(spatial) != 2 or not isinstance(channels, int):
        return None
    sizes = []
    for side in spatial:
        numbers = [int(n) for n in re.findall(r"\d+", str(side))]
        if isinstance(side, int):
            sizes.append(side)
        else:  # a multiple of what is named; powers of two cover the rest
            step = numbers[0] if numbers else 1
            sizes.append(max(step * max(1, 256 // step), step))
    return (1, channels, *sizes)


def _scale_intensity(t: Mapping[str, Any]) -> list[dict[str, Any]]:
    low, high = t.get("minv", 0.0), t.get("maxv", 1.0)
    if t.get("factor") is not None or low is None or high is None:
        raise ValueError("ScaleIntensity with a factor is none of an engine's steps")
    axes = ["y", "x"] if t.get("channel_wise") else ["channel", "y", "x"]
    steps: list[dict[str, Any]] = [{"name": "scale_range", "axes": axes, "eps": 1e-12}]
    return steps + _to_range(low, high)


def _scale_intensity_range(t: Mapping[str, Any]) -> list[dict[str, Any]]:
    a_min, a_max = float(t["a_min"]), float(t["a_max"])
    b_min, b_max = t.get("b_min"), t.get("b_max")
    gain = 1 / (a_max - a_min)
    steps: list[dict[str, Any]] = [
        {"name": "scale_linear", "gain": [gain], "offset": [-a_min * gain]}
    ]
    if b_min is not None and b_max is not None:
        steps += _to_range(b_min, b_max)
        if t.get("clip"):
            steps.append({"name": "clip", "min": [float(b_min)], "max": [float(b_max)]})
    return steps


def _scale_percentiles(t: Mapping[str, Any]) -> list[dict[str, Any]]:
    axes = ["y", "x"] if t.get("channel_wise") else ["channel", "y", "x"]
    steps: list[dict[str, Any]] = [
        {
            "name": "scale_range", "axes": axes, "eps": 1e-12,
            "min_percentile": float(t["lower"]), "max_percentile": float(t["upper"]),
        }
    ]  # fmt: skip
    if t.get("relative"):
        raise ValueError("ScaleIntensityRangePercentiles with relative=True is not read")
    steps += _to_range(t["b_min"], t["b_max"])
    if t.get("clip"):
        steps.append({"name": "clip", "min": [float(t["b_min"])], "max": [float(t["b_max"])]})
    return steps


def _normalize_intensity(t: Mapping[str, Any]) -> list[dict[str, Any]]:
    if t.get("nonzero"):
        raise ValueError("NormalizeIntensity with nonzero=True is none of an engine's steps")
    mean, std = t.get("subtrahend"), t.get("divisor")
    if mean is not None and std is not None:
        listed = [v if isinstance(v, list) else [v] for v in (mean, std)]
        return [{"name": "fixed_zero_mean_unit_variance", "mean": listed[0], "std": listed[1]}]
    axes = ["y", "x"] if t.get("channel_wise") else ["channel", "y", "x"]
    return [{"name": "zero_mean_unit_variance", "axes": axes, "eps": 1e-12}]


def _to_range(low: float, high: float) -> list[dict[str, Any]]:
    """From 0 .. 1 to low .. high."""
    if (low, high) == (0, 1):
        return []
    return [{"name": "scale_linear", "gain": [float(high - low)], "offset": [float(low)]}]


_INTENSITIES: dict[str, Callable[[Mapping[str, Any]], list[dict[str, Any]]]] = {
    "ScaleIntensity": _scale_intensity,
    "ScaleIntensityRange": _scale_intensity_range,
    "ScaleIntensityRangePercentiles": _scale_percentiles,
    "NormalizeIntensity": _normalize_intensity,
}
# They load, order and move what images hold, and leave the numbers as they are.
_NO_INTENSITIES = (
    "LoadImage", "EnsureChannelFirst", "AddChannel", "AsChannelFirst", "EnsureType", "ToTensor",
    "CastToType", "ToDevice", "Identity", "SelectItems", "CopyItems",
)  # fmt: skip
