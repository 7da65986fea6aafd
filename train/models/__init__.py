"""Networks: the U-Net with its published variants, and four classifiers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from torch import nn

from train.models.classifiers import ClassifierConfig, build_classifier
from train.models.multi_scale import MultiScaleUNet
from train.models.unet import UNet, UNetConfig

NetworkConfig = UNetConfig | ClassifierConfig
_KINDS = {"unet": UNetConfig, "classifier": ClassifierConfig}


def network_config(values: dict[str, Any], where: str = "network") -> NetworkConfig:
    """Shape of a network from plain values; ``kind`` is "unet" (default) or "classifier".

    Raises
    ------
    ValueError
        An unknown kind, key or value.
    """
    values = dict(values)
    kind = values.pop("kind", "unet")
    if kind not in _KINDS:
        raise ValueError(f"{where}: network.kind must be one of {sorted(_KINDS)}, got {kind!r}")
    cls = _KINDS[kind]
    known = {f.name for f in fields(cls)} - {"kind"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"{where}: [network] unknown keys {unknown}; known: {sorted(known)}")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def build_network(config: NetworkConfig) -> nn.Module:
    """The network that `config` describes, with fresh weights."""
    if not isinstance(config, UNetConfig):
        return build_classifier(config)
    return MultiScaleUNet(config) if config.scales > 1 else UNet(config)


__all__ = [
    "ClassifierConfig", "MultiScaleUNet", "NetworkConfig", "UNet", "UNetConfig", "build_classifier",
    "build_network", "network_config",
]  # fmt: skip
