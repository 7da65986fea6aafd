"""The network of a shipped engine as a PyTorch module, for runtimes that do not read engine files."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from train.config import config_from_dict
from train.models import UNetConfig, build_network

ROOT = Path(__file__).parent.parent


def trained_module(name: str) -> Any:
    """The U-Net of a shipped engine, batch norm folded, float16 weights widened to float32.

    Parameters
    ----------
    name : str
        A shipped engine with a record in ``train/results``.

    Returns
    -------
    torch.nn.Module
        In evaluation mode; takes normalised images.
    """
    import torch

    record = json.loads((ROOT / "train" / "results" / f"{name}.json").read_text())
    network = config_from_dict(record["config"] | {"name": name}, name).network
    assert isinstance(network, UNetConfig)
    module = build_network(replace(network, batch_norm=False)).eval()
    data = Path(pyengine.Engine(name, threads=1).info.path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    nodes = [n for n in json.loads(header["__metadata__"]["graph"])["nodes"] if "weight" in n]

    def tensor(key: str) -> Any:
        entry = header[key]
        begin, end = entry["data_offsets"]
        dtype = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
        values = np.frombuffer(data[8 + length + begin : 8 + length + end], dtype)
        return torch.from_numpy(values.reshape(entry["shape"]).astype(np.float32))

    # Both the module and the file hold layers in the order in which they run.
    layers: list[Any] = []
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    hooks = [
        layer.register_forward_hook(lambda layer, *_: layers.append(layer))
        for layer in module.modules() if isinstance(layer, kinds)
    ]  # fmt: skip
    side = network.output_size(32) + 2 * network.margin
    with torch.no_grad():
        module(torch.zeros(1, network.in_channels, side, side))
        for hook in hooks:
            hook.remove()
        for layer, node in zip(layers, nodes, strict=True):
            layer.weight.copy_(tensor(node["weight"]))
            layer.bias.copy_(tensor(node["bias"]))
    return module
