"""Packages of bioimage.io: a network with its description, of formats 0.4 and 0.5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.inputs.channels_last import channels_first
from pyengine.inputs.module import Module
from pyengine.inputs.onnx import onnx_source
from pyengine.inputs.package import Package, names_in, open_package
from pyengine.inputs.source import InputKind, Source, SourceKeywords, is_path, require
from pyengine.inputs.torch_file import fit_weights, load_weights_only
from pyengine.inputs.torchscript import load_torchscript
from pyengine.inputs.weights import make_module
from pyengine.processing import bioimageio_steps, head_of

_DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml", "model.yaml")
# Those that can be built, the best first.
_WEIGHTS = ("onnx", "torchscript", "pytorch_state_dict")


class BioimageIo(InputKind):
    """A folder with its ``bioimageio.yaml`` or ``rdf.yaml``, that file, or a zip of the folder."""

    title = "a path to a bioimage.io package"
    file_title = "bioimage.io package"
    keywords = ("allow_code",)

    def takes(self, source: Any) -> bool:
        if not is_path(source):
            return False
        path = Path(source)
        if path.is_file() and path.suffix.lower() in (".yaml", ".yml"):
            return any(path.name.endswith(name) for name in _DESCRIPTIONS)
        return _description_name(path) is not None

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        require("yaml", "bioimageio")
        path = Path(source)
        name = path.name if path.suffix.lower() in (".yaml", ".yml") else _description_name(path)
        folder = path.parent if path.name == name else path
        with open_package(folder) as package:
            description = _Description(package, str(name))
            return description.source(sample_shape, bool(options.get("allow_code", False)))

    def files(self, source: Any) -> list[Path]:
        path = Path(source)
        return super().files(path.parent if path.suffix.lower() in (".yaml", ".yml") else path)


def _description_name(path: Path) -> str | None:
    names = names_in(path)
    return next((name for name in _DESCRIPTIONS if name in names), None)


@dataclass
class _Tensor:
    """An input or output, in the words of format 0.5."""

    axes: str  # letters, such as "bcyx"
    processing: list[Mapping[str, Any]]
    test: Mapping[str, Any] | None  # source, sha256
    channel_names: list[str]


class _Description:
    def __init__(self, package: Package, name: str) -> None:
        import yaml

        self.package, self.title = package, package.title
        try:
            self.rdf: dict[str, Any] = yaml.safe_load(package.file(name).read_text("utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"{self.title}: {name} is no readable YAML") from error
        version = str(self.rdf.get("format_version", "?"))
        if self.rdf.get("type", "model") != "model" or not version.startswith(("0.4.", "0.5.")):
            raise ValueError(
                f"{self.title}: {name} describes a {self.rdf.get('type')} of format {version}; "
                "models of formats 0.4 and 0.5 are read"
            )
        self.is_old = version.startswith("0.4.")
        self.input = self._only("inputs", "test_inputs", "preprocessing")
        self.output = self._only("outputs", "test_outputs", "postprocessing")

    def _only(self, key: str, tests: str, processing: str) -> _Tensor:
        tensors = self.rdf.get(key) or []
        if len(tensors) != 1:
            listed = ", ".join(str(t.get("id", t.get("name"))) for t in tensors)
            raise ValueError(
                f"{self.title}: {len(tensors)} {key} ({listed}); packages of one are built"
            )
        tensor: dict[str, Any] = tensors[0]
        axes, names = _axes(tensor["axes"])
        if set("bcyx") != set(axes) or len(axes) != 4:
            three = "three dimensions" if "z" in axes else f"axes {axes!r}"
            raise ValueError(
                f"{self.title}: {key} have {three}; images with batch, channel, y and x are built"
            )
        test = tensor.get("test_tensor")
        if self.is_old and self.rdf.get(tests):
            test = {"source": self.rdf[tests][0]}
        return _Tensor(axes, tensor.get(processing) or [], test, names)

    def source(self, sample_shape: tuple[int, ...] | None, allow_code: bool) -> Source:
        image, result = self._test_tensors()
        if sample_shape is None and image is not None:
            sample_shape = (1, image.shape[2], *image.shape[:2])
        loaded = self._network(sample_shape, allow_code)
        loaded.description = f"{self.rdf.get('name', self.title)} (bioimage.io)"
        loaded.manifest = self._manifest(image)
        if image is not None and result is not None:
            loaded.expected = [(image, result)]
        return loaded

    # ---- the network ---------------------------------------------------------------------------

    def _network(self, sample_shape: tuple[int, ...] | None, allow_code: bool) -> Source:
        weights: dict[str, Any] = self.rdf.get("weights") or {}
        why: list[str] = []
        for kind in _WEIGHTS:
            if kind not in weights:
                continue
            entry = weights[kind]
            if not self.package.has(str(entry["source"])):
                why.append(f"{kind}: the package holds no {entry['source']}")
            elif kind == "pytorch_state_dict" and not allow_code:
                why.append(f"{kind}: its architecture is Python code, which allow_code=True runs")
            else:
                path = self.package.file(str(entry["source"]), entry.get("sha256"))
                return self._load(kind, entry, path, sample_shape)
        others = sorted(set(weights) - set(_WEIGHTS))
        why += [f"{kind}: not read" for kind in others]
        raise ValueError(f"{self.title}: no weights that can be built ({'; '.join(why)})")

    def _load(
        self, kind: str, entry: Any, path: Path, sample_shape: tuple[int, ...] | None
    ) -> Source:
        if kind == "onnx":
            import onnx

            model = onnx.load(path)
            if self.input.axes == "byxc":
                model = channels_first(model)
            elif self.input.axes != "bcyx":
                raise ValueError(f"{self.title}: axes {self.input.axes!r} are not 'bcyx' or 'byxc'")
            return onnx_source(model, sample_shape, path.name)
        if self.input.axes != "bcyx":
            raise ValueError(f"{self.title}: {kind} with axes {self.input.axes!r}, not 'bcyx'")
        if kind == "torchscript":
            return load_torchscript(path, sample_shape)
        require("torch", "train")
        module = self._architecture(entry)
        fit_weights(module, load_weights_only(path), path)
        return Module().load(module, sample_shape, {})

    def _architecture(self, entry: Mapping[str, Any]) -> Any:
        """The module of a state dict; runs the code that defines it."""
        made_by, kwargs = entry["architecture"], entry.get("kwargs") or {}
        if isinstance(made_by, str):  # format 0.4: "file.py:Class" or "package.module.Class"
            file, colon, name = made_by.rpartition(":" if ":" in made_by else ".")
            source = file if colon == ":" else None
            library, sha256 = file, entry.get("architecture_sha256")
        else:
            source, library = made_by.get("source"), made_by.get("import_from")
            name, sha256 = made_by["callable"], made_by.get("sha256")
            kwargs = made_by.get("kwargs") or {}
        if source is None:
            return make_module(f"{library}:{name}", kwargs)
        path = self.package.file(str(source), sha256)
        namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
        exec(compile(path.read_text("utf-8"), str(path), "exec"), namespace)
        if name not in namespace:
            raise ValueError(f"{self.title}: {source} defines no {name}")
        return make_module(namespace[name], kwargs)

    # ---- test tensors and manifest -------------------------------------------------------------

    def _test_tensors(self) -> tuple[npt.NDArray[Any] | None, npt.NDArray[np.float32] | None]:
        """The test image (H, W, C), and its result (K, H, W)."""
        if self.input.test is None or self.output.test is None:
            return None, None
        image, result = (
            np.load(
                self.package.file(str(t.test["source"]), t.test.get("sha256")), allow_pickle=False
            )
            for t in (self.input, self.output)
            if t.test is not None
        )
        if image.ndim != 4 or result.ndim != 4:
            raise ValueError(
                f"{self.title}: test tensors {image.shape} and {result.shape} do not have the "
                f"axes {self.input.axes!r} and {self.output.axes!r}"
            )
        if image.dtype not in (np.uint8, np.uint16):
            image = image.astype(np.float32)
        planes = np.transpose(image, [self.input.axes.index(a) for a in "byxc"])[0]
        scores = np.transpose(result, [self.output.axes.index(a) for a in "bcyx"])[0]
        return np.ascontiguousarray(planes), np.ascontiguousarray(scores, np.float32)

    def _manifest(self, image: npt.NDArray[Any] | None) -> dict[str, Any]:
        try:
            head = head_of(self.output.processing)
        except ValueError as error:
            raise ValueError(
                f"{self.title}: {error}; or give the package's file of weights itself"
            ) from None
        # No head means that none is applied, not that one is guessed.
        manifest: dict[str, Any] = {
            "input": {
                "dtype": "float32" if image is None else str(image.dtype),
                "preprocessing": bioimageio_steps(self.input.processing),
            },
            "head": {"activation": head or "none"},
        }
        names = self.output.channel_names
        if head == "sigmoid" and len(names) == 1:
            manifest["class_names"] = ["background", *names]
        elif len(names) > 1 and len(set(names)) == len(names):
            manifest["class_names"] = names
        known = ("name", "description", "license", "version", "id", "git_repo", "cite", "authors")
        manifest["provenance"] = {
            "bioimageio": {k: _plain(self.rdf[k]) for k in known if self.rdf.get(k)}
        }
        return manifest


def _axes(axes: Any) -> tuple[str, list[str]]:
    """Letters of axes, and the names of the channels."""
    if isinstance(axes, str):
        return axes, []
    letters, names = "", []
    for axis in axes:
        kind = axis.get("type")
        letters += {"batch": "b", "channel": "c", "time": "t", "index": "i"}.get(
            kind, str(axis.get("id", "x"))
        )
        if kind == "channel":
            names = [str(name) for name in axis.get("channel_names") or []]
    return letters, names


def _plain(value: Any) -> Any:
    """What JSON can hold; dates become text."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
