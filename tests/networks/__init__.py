"""Networks that people have, in small sizes, each with the way in which it is expected to run."""

from __future__ import annotations

from . import onnx_forms, others, packages, unets
from .network import Network

NETWORKS: list[Network] = [
    *unets.NETWORKS, *others.NETWORKS, *packages.NETWORKS, *onnx_forms.NETWORKS,
]  # fmt: skip
