"""Results folders of nnU-Net (version 2): one fold of a 2-D configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyengine.inputs.module import Module
from pyengine.inputs.source import InputKind, Source, SourceKeywords, is_path, require
from pyengine.inputs.torch_file import fit_weights, load_weights_only

_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
# What builds its network otherwise, or trains something else, cannot be told from the plans.
_TRAINERS = ("nnUNetTrainer",)
_NETWORKS = ("PlainConvUNet", "ResidualEncoderUNet")
_PARTS = {
    "torch.nn.modules.conv.Conv2d", "torch.nn.modules.instancenorm.InstanceNorm2d",
    "torch.nn.modules.batchnorm.BatchNorm2d", "torch.nn.LeakyReLU", "torch.nn.ReLU",
    "torch.nn.modules.activation.LeakyReLU", "torch.nn.modules.activation.ReLU",
    "torch.nn.modules.dropout.Dropout2d", "torch.nn.Dropout2d",
}  # fmt: skip
_LEAST_DEVIATION = 1e-8  # nnU-Net divides by no less


class NnUnet(InputKind):
    """A folder such as ``nnUNetTrainer__nnUNetPlans__2d``."""

    title = "a path to an nnU-Net results folder"
    file_title = "nnU-Net results folder"
    keywords = ("configuration", "fold")

    def takes(self, source: Any) -> bool:
        if not is_path(source) or not Path(source).is_dir():
            return False
        return all((Path(source) / name).is_file() for name in ("plans.json", "dataset.json"))

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        require("torch", "nnunet")
        require("dynamic_network_architectures", "nnunet")
        folder = _ResultsFolder(Path(source), options)
        channels = len(folder.channel_names)
        module = folder.network()
        fit_weights(module, {"network_weights": folder.checkpoint["network_weights"]}, folder.file)
        shape = sample_shape or (1, channels, *folder.patch_px)
        loaded = Module().load(module, shape, {})
        loaded.description = (
            f"{folder.dataset.get('name', folder.path.name)} (nnU-Net, {folder.fold})"
        )
        loaded.manifest = folder.manifest()
        return loaded


class _ResultsFolder:
    """What the files of a results folder say, read without executing any."""

    def __init__(self, path: Path, options: SourceKeywords) -> None:
        self.path = path
        self.plans = json.loads((path / "plans.json").read_text("utf-8"))
        self.dataset = json.loads((path / "dataset.json").read_text("utf-8"))
        self.file, self.fold = self._checkpoint_file(options.get("fold"))
        self.checkpoint = load_weights_only(self.file)
        if not isinstance(self.checkpoint, Mapping) or "network_weights" not in self.checkpoint:
            raise ValueError(f"{self.file}: no checkpoint of nnU-Net 2")
        trainer = str(self.checkpoint.get("trainer_name"))
        if trainer not in _TRAINERS:
            raise ValueError(
                f"{path}: trained by {trainer}, whose networks and losses are its own; "
                f"{' and '.join(_TRAINERS)} is read"
            )
        trained = (self.checkpoint.get("init_args") or {}).get("configuration")
        name = options.get("configuration", trained or "2d")
        if trained is not None and name != trained:
            raise ValueError(f"{path}: the weights are of configuration {trained!r}, not {name!r}")
        self.configuration = self._configuration(name)
        names = self.dataset.get("channel_names") or self.dataset.get("modality") or {}
        self.channel_names = [str(names[key]) for key in sorted(names, key=int)]

    @property
    def patch_px(self) -> list[int]:
        return [int(side) for side in self.configuration["patch_size"]]

    def _checkpoint_file(self, fold: int | str | None) -> tuple[Path, str]:
        found = sorted(p.parent for p in self.path.glob(f"fold_*/{_CHECKPOINTS[0]}")) or sorted(
            p.parent for p in self.path.glob(f"fold_*/{_CHECKPOINTS[1]}")
        )
        names = [p.name.removeprefix("fold_") for p in found]
        if not found:
            raise FileNotFoundError(f"{self.path}: no fold_*/{_CHECKPOINTS[0]}")
        if fold is None and len(found) > 1:
            raise ValueError(
                f"{self.path}: has the folds {', '.join(names)}; say which with fold= (an engine is "
                "one network; nnU-Net's mean over folds is not built)"
            )
        name = names[0] if fold is None else str(fold)
        if name not in names:
            raise ValueError(f"{self.path}: no fold {name}; there are {', '.join(names)}")
        folder = self.path / f"fold_{name}"
        file = next(folder / name for name in _CHECKPOINTS if (folder / name).is_file())
        return file, folder.name

    def _configuration(self, name: str) -> dict[str, Any]:
        """The plans of a configuration, with those that it inherits from."""
        known = self.plans.get("configurations", {})
        if name not in known:
            raise ValueError(f"{self.path}: no configuration {name!r}; plans: {', '.join(known)}")
        chain = [known[name]]
        while "inherits_from" in chain[-1] and len(chain) < 16:
            chain.append(known[chain[-1]["inherits_from"]])
        merged: dict[str, Any] = {}
        for entry in reversed(chain):
            merged |= entry
        if merged.get("previous_stage"):
            raise ValueError(
                f"{self.path}: {name!r} is the second stage of a cascade; none is built"
            )
        if len(merged["patch_size"]) != 2:
            raise ValueError(
                f"{self.path}: configuration {name!r} has three dimensions; 2-D ones are built"
            )
        if "architecture" not in merged:
            raise ValueError(f"{self.path}: plans of nnU-Net before 2.4, without an architecture")
        return merged

    def network(self) -> Any:
        """The network with its highest-resolution head alone, as at nnU-Net's inference."""
        from dynamic_network_architectures.architectures import unet
        from torch import nn

        architecture = self.configuration["architecture"]
        name = str(architecture["network_class_name"]).rpartition(".")[2]
        if name not in _NETWORKS:
            raise ValueError(
                f"{self.path}: the network is a {name}; {', '.join(_NETWORKS)} are read"
            )
        arguments = dict(architecture["arch_kwargs"])
        for key in architecture.get("_kw_requires_import", ()):
            part = arguments.get(key)
            if part is None:
                continue
            if part not in _PARTS:
                raise ValueError(f"{self.path}: {key} is {part!r}, which is none of nnU-Net's own")
            arguments[key] = getattr(nn, part.rpartition(".")[2])
        arguments["deep_supervision"] = False
        return getattr(unet, name)(
            input_channels=len(self.channel_names), num_classes=self._outputs(), **arguments
        )

    # ---- labels --------------------------------------------------------------------------------

    def _labels(self) -> dict[str, Any]:
        labels: dict[str, Any] = self.dataset["labels"]
        return {name: value for name, value in labels.items() if name != "ignore"}

    def _is_regions(self) -> bool:
        return any(isinstance(v, list) and len(v) > 1 for v in self._labels().values())

    def _regions(self) -> list[str]:
        return [name for name, value in self._labels().items() if value not in (0, [0])]

    def _outputs(self) -> int:
        return len(self._regions()) if self._is_regions() else len(self._labels())

    def _class_names(self) -> list[str]:
        if not self._is_regions():
            ordered = sorted(self._labels().items(), key=lambda item: int(item[1]))
            if [int(value) for _, value in ordered] != list(range(len(ordered))):
                raise ValueError(f"{self.path}: labels {self._labels()} are not 0, 1, 2 and so on")
            return [name for name, _ in ordered]
        order = [int(label) for label in self.dataset.get("regions_class_order", [])]
        regions = self._regions()
        if order != list(range(1, len(regions) + 1)):
            raise ValueError(
                f"{self.path}: regions_class_order {order} does not number the regions in their "
                f"order, 1 to {len(regions)}, as labels of an engine do"
            )
        return ["background", *regions]

    # ---- the manifest --------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        axes = self.checkpoint.get("inference_allowed_mirroring_axes") or ()
        return {
            "task": "segmentation",
            "input": {"dtype": "float32", "preprocessing": self._preprocessing()},
            "head": {"activation": "sigmoid" if self._is_regions() else "softmax"},
            "class_names": self._class_names(),
            "prediction": {
                "window_px": self.patch_px,
                "mirror_axes": ["yx"[int(axis)] for axis in sorted(axes)],
            },
            "provenance": {
                "nnunet": {
                    "plans": self.plans.get("plans_name"),
                    "dataset": self.plans.get("dataset_name"),
                    "fold": self.fold,
                    "spacing": self.configuration.get("spacing"),
                    "channel_names": self.channel_names,
                    "note": "as nnU-Net predicts: mode='nnunet', tta='mirror'; images in the "
                    "configuration's spacing, without borders of zeros",
                }
            },
        }

    def _preprocessing(self) -> list[dict[str, Any]]:
        schemes = self.configuration["normalization_schemes"]
        masks = self.configuration.get("use_mask_for_norm", [False] * len(schemes))
        if any(masks):
            raise ValueError(
                f"{self.path}: normalises within the non-zero mask (use_mask_for_norm); none of an "
                "engine's steps does"
            )
        if len(set(schemes)) > 1:
            raise ValueError(
                f"{self.path}: channels are normalised by {', '.join(schemes)}; one way"
            )
        if len(schemes) != len(self.channel_names):
            raise ValueError(f"{self.path}: {len(schemes)} schemes for {self.channel_names}")
        scheme = schemes[0]
        if scheme == "ZScoreNormalization":
            each = {"axes": ["y", "x"], "eps": _LEAST_DEVIATION}
            return [{"name": "zero_mean_unit_variance", **each}]
        if scheme == "Rescale0_1Normalization" or scheme == "RescaleTo01Normalization":
            return [{"name": "scale_range", "axes": ["y", "x"], "eps": _LEAST_DEVIATION,
                     "min_percentile": 0.0, "max_percentile": 100.0}]  # fmt: skip
        if scheme == "RGBTo01Normalization":
            return [{"name": "scale_linear", "gain": [1 / 255], "offset": [0.0]}]
        if scheme == "NoNormalization":
            return []
        if scheme == "CTNormalization":
            return self._ct()
        raise ValueError(f"{self.path}: normalisation {scheme} is none of nnU-Net's own")

    def _ct(self) -> list[dict[str, Any]]:
        stored = self.plans["foreground_intensity_properties_per_channel"]
        each = [stored[str(i)] for i in range(len(self.channel_names))]
        return [
            {
                "name": "clip",
                "min": [float(p["percentile_00_5"]) for p in each],
                "max": [float(p["percentile_99_5"]) for p in each],
            },
            {
                "name": "fixed_zero_mean_unit_variance",
                "mean": [float(p["mean"]) for p in each],
                "std": [max(float(p["std"]), _LEAST_DEVIATION) for p in each],
            },
        ]
