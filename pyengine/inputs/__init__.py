"""What `build` can read: each kind of network is one file, and `INPUT_KINDS` lists them."""

from __future__ import annotations

from pyengine.inputs.registry import INPUT_KINDS, load_source, source_files
from pyengine.inputs.source import InputKind, Network, Source, SourceKeywords

__all__ = [
    "INPUT_KINDS",
    "InputKind",
    "Network",
    "Source",
    "SourceKeywords",
    "load_source",
    "source_files",
]
