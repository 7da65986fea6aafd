"""The executor-neutral graph while it is being built, and the passes over it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.builder.container import array_identity

# Operators after which an affine step folds into weights, and where their output axis is.
_FOLDS_INTO = {
    "conv2d": 0, "conv3d": 0, "conv_transpose2d": 1, "conv_transpose3d": 1, "linear": 0,
    "group_norm": 0, "layer_norm": 0,
}  # fmt: skip


@dataclass
class GraphBuilder:
    """Nodes in order, and the weights they name.

    Attributes
    ----------
    input_name : str
        Name of the image tensor.
    channels : int
        Input channels.
    nodes : list of dict
        As stored in the engine file; see ``csrc/ENGINE_FORMAT.md``.
    weights : dict of ndarray
        float64; `build` rounds them to the type that is stored.
    output : str
        Name of the tensor the network returns.
    outputs : list of str
        Names of all that the source network returns; `output` is the first until they are joined.
    channels_of : dict of int
        By tensor, where the importer knows it.
    volume : bool
        The network is over (z, y, x).
    """

    input_name: str
    channels: int
    nodes: list[dict[str, Any]] = field(default_factory=list)
    weights: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    output: str = ""
    outputs: list[str] = field(default_factory=list)
    channels_of: dict[str, int] = field(default_factory=dict)
    volume: bool = False

    def add(self, op: str, name: str, inputs: list[str], output: str, **attributes: Any) -> None:
        """Append a node; arrays among the attributes become weights."""
        node: dict[str, Any] = {"op": op, "name": name, "inputs": inputs, "output": output}
        for key, value in attributes.items():
            if isinstance(value, np.ndarray):
                weight = f"{name}.{key}"
                if weight in self.weights:
                    weight = f"{name}.{output}.{key}"
                self.weights[weight] = value.astype(np.float64)
                node[key] = weight
            elif value is not None:
                node[key] = value
        self.nodes.append(node)

    def consumers(self, tensor: str) -> list[dict[str, Any]]:
        """Nodes that read `tensor`."""
        return [n for n in self.nodes if tensor in n["inputs"]]

    def simplify(self) -> None:
        """All passes over the whole graph; the result computes the same with fewer nodes."""
        self.forward_selections()
        self.drop_dead()
        while self.fold_affine():
            pass
        self.fuse_silu()
        self.drop_dead()
        self.share_equal_weights()

    def fold_affine(self) -> int:
        """Fold each affine step (batch norm) into the convolution before it.

        Returns
        -------
        int
            Steps folded.
        """
        producer = {n["output"]: n for n in self.nodes}
        folded = 0
        for node in [n for n in self.nodes if n["op"] == "affine"]:
            source = producer.get(node["inputs"][0])
            if source is None or source["op"] not in _FOLDS_INTO:
                continue
            if len(self.consumers(source["output"])) != 1 or source["output"] == self.output:
                continue
            scale, shift = self.weights.pop(node["weight"]), self.weights.pop(node["bias"])
            if "weight" not in source:  # a norm without numbers of its own
                source["weight"] = f"{source['name']}.weight"
                self.weights[source["weight"]] = np.ones(len(scale))
            weight = self.weights[source["weight"]]
            if source["op"] == "conv_transpose2d":
                # (I, O / groups, kh, kw): output channel = group * (O / groups) + column.
                groups = source.get("groups", 1)
                per_group = weight.reshape(groups, -1, *weight.shape[1:])
                weight = (per_group * scale.reshape(groups, 1, -1, 1, 1)).reshape(weight.shape)
            else:
                weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
            self.weights[source["weight"]] = weight
            bias = self.weights.get(source.get("bias", ""), np.zeros(len(scale)))
            source["bias"] = source.get("bias", f"{source['name']}.bias")
            self.weights[source["bias"]] = bias * scale + shift
            source["output"] = node["output"]
            producer[node["output"]] = source
            self.nodes.remove(node)
            folded += 1
        return folded

    def fuse_silu(self) -> None:
        """Replace ``x * sigmoid(x)`` by one activation."""
        producer = {n["output"]: n for n in self.nodes}
        for node in [n for n in self.nodes if n["op"] == "mul"]:
            for x, gate in (node["inputs"], node["inputs"][::-1]):
                source = producer.get(gate)
                if (
                    source is not None
                    and source.get("kind") == "sigmoid"
                    and source["inputs"] == [x]
                    and len(self.consumers(gate)) == 1
                ):
                    self.nodes.remove(source)
                    node.update(op="activation", kind="silu", inputs=[x])
                    break

    def forward_selections(self) -> None:
        """Read one of the tensors that were joined where a selection takes all of it and no more."""
        joined = {n["output"]: n["inputs"] for n in self.nodes if n["op"] == "concat"}
        other: dict[str, str] = {}
        for node in [n for n in self.nodes if n["op"] == "select"]:
            begin = 0
            for tensor in joined.get(node["inputs"][0], ()):
                if tensor not in self.channels_of:
                    break
                end = begin + self.channels_of[tensor]
                if node["channels"] == list(range(begin, end)) and node["output"] != self.output:
                    other[node["output"]] = tensor
                begin = end
        for node in self.nodes:
            node["inputs"] = [other.get(tensor, tensor) for tensor in node["inputs"]]

    def strip_head(self) -> str | None:
        """Remove a final softmax over classes, or sigmoid, and say which it was."""
        last = next((n for n in self.nodes if n["output"] == self.output), None)
        if last is None or self.consumers(self.output):
            return None
        head = "softmax" if last["op"] == "softmax" else last.get("kind")
        if head not in ("softmax", "sigmoid"):
            return None
        self.nodes.remove(last)
        self.output = last["inputs"][0]
        return str(head)

    def drop_dead(self) -> None:
        """Remove nodes and weights that the output does not need."""
        needed = {self.output}
        kept = []
        for node in reversed(self.nodes):
            if node["output"] in needed:
                needed.update(node["inputs"])
                kept.append(node)
        self.nodes = kept[::-1]
        named = {n[k] for n in self.nodes for k in ("weight", "bias") if k in n}
        self.weights = {k: v for k, v in self.weights.items() if k in named}

    def share_equal_weights(self) -> None:
        """Keep one copy of weights that several nodes hold, as networks do that run twice."""
        first: dict[tuple[Any, ...], str] = {}
        kept = {}
        for name, value in self.weights.items():
            kept[name] = first.setdefault(array_identity(value), name)
        for node in self.nodes:
            node |= {key: kept[node[key]] for key in ("weight", "bias") if key in node}
        self.weights = {name: self.weights[name] for name in first.values()}

    def json(self) -> str:
        """The graph as the engine file stores it."""
        image: dict[str, Any] = {"name": self.input_name, "channels": self.channels}
        if self.volume:
            image["axes"] = ["z", "y", "x"]
        graph = {
            "input": image,
            "nodes": self.nodes,
            "output": self.output,
        }
        return json.dumps(graph, separators=(",", ":"))
