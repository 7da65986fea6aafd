"""Files of weights, together with the module that they are for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyengine.inputs.module import Module
from pyengine.inputs.source import InputKind, Source, SourceKeywords, is_path, require
from pyengine.inputs.torch_file import fit_weights, load_weights_only


class Weights(InputKind):
    """A file of `torch.save` or safetensors that holds weights by name, and ``module=``."""

    title = "a path to a file of weights (with module=)"
    file_title = "file of weights (with --module)"
    keywords = ("module", "arguments")

    def takes(self, source: Any) -> bool:
        return False  # but where a module is given: see `registry`

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        if not is_path(source) or not Path(source).is_file():
            raise ValueError(f"module={options['module']!r} belongs to a file of weights")
        require("torch", "train")
        module = make_module(options["module"], options.get("arguments", {}))
        fit_weights(module, load_weights_only(Path(source)), Path(source))
        loaded = Module().load(module, sample_shape, {})
        loaded.description = f"{Path(source).name} for {loaded.description}"
        return loaded


def make_module(made_by: str | Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """The module that a name such as ``"package.module:Class"`` or a class stands for.

    Raises
    ------
    TypeError, ValueError
        No such name, or what it makes is no module.
    """
    import torch

    make = _located(made_by) if isinstance(made_by, str) else made_by
    if not callable(make):
        raise TypeError(f"module must be 'package.module:Class' or callable, got {made_by!r}")
    if not isinstance(arguments, Mapping):
        raise TypeError(f"arguments must be a dict of keywords, got {arguments!r}")
    try:
        module = make(**arguments)
    except TypeError as error:
        raise ValueError(f"module {made_by!r} with arguments {dict(arguments)}: {error}") from error
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"module {made_by!r} made a {type(module).__name__}, which is no torch.nn.Module"
        )
    return module


def _located(name: str) -> Any:
    package, colon, attribute = name.partition(":")
    if not colon or not package or not attribute:
        raise ValueError(f"module must be like 'package.module:Class', got {name!r}")
    here = str(Path.cwd())
    sys.path.append(here)  # programs that are installed do not look where they are called
    try:
        found: Any = importlib.import_module(package)
    except ImportError as error:
        raise ValueError(f"module {name!r}: cannot import {package!r} ({error})") from error
    finally:
        sys.path.remove(here)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"module {name!r}: {package!r} has no {part!r}")
        found = getattr(found, part)
    return found
