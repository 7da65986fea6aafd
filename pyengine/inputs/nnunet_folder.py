"""What the files of an nnU-Net results folder say, read without executing any."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyengine.inputs.source import SourceKeywords
from pyengine.inputs.torch_file import load_weights_only

_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_PICTURES = "NaturalImage2DIO"
_READERS = (_PICTURES, "SimpleITKIO", "NibabelIO", "Tiff3DIO")

# nnU-Net's own trainers whose networks are those of the plans: they change losses, augmentation,
# optimisers and how long is trained. Another one may build anything.
_EPOCHS = ("1epoch", *(f"{n}epochs" for n in (5, 10, 20, 50, 100, 250, 500, 750, 2000, 4000, 8000)))
BATCH_NORM_TRAINER = "nnUNetTrainerBN"
TRAINERS = frozenset(
    f"nnUNetTrainer{variant}"
    for variant in (
        "", *(f"_{n}" for n in _EPOCHS), *(f"_{n}_NoMirroring" for n in _EPOCHS), "BN",
        "NoMirroring", "_onlyMirror01", "_onlyMirror01_1500ep", "_onlyMirror01_DASegOrd0",
        "_onlyMirror01_DA5", "DA5", "DA5ord0", "DA5Segord0", "DA5_10epochs", "NoDA", "_DASegOrd0",
        "_DASegOrd0_NoMirroring", "_noDummy2DDA", "NoDeepSupervision", "DiceLoss",
        "DiceCELoss_noSmooth", "Topk10Loss", "Topk10LossLS01", "DiceTopK10Loss", "CELoss",
        "CELoss_5epochs", "_warmup", "CosAnneal", "Adan", "Adan1en3", "Adan3en4", "Adan1en1",
        "AdanCosAnneal", "Adam", "VanillaAdam", "VanillaAdam1en3", "VanillaAdam3en4", "Adam1en3",
        "Adam3en4", "_probabilisticOversampling", "_probabilisticOversampling_033",
        "_probabilisticOversampling_010", "Benchmark_5epochs", "Benchmark_5epochs_noDataLoading",
    )
)  # fmt: skip


class ResultsFolder:
    """Plans, data set and checkpoints of one configuration.

    Attributes
    ----------
    plans, dataset, configuration : dict
        As stored; `configuration` with what it inherits.
    files, folds : list
        The checkpoints whose mean is the network, and their folders' names.
    weights : list of dict
        Of each checkpoint, by name.
    trainer : str
    mirror_axes : list of int
        Of the patch.
    """

    def __init__(self, path: Path, options: SourceKeywords) -> None:
        self.path = path
        self.plans = self._json("plans.json")
        self.dataset = self._json("dataset.json")
        self.files = self._checkpoint_files(options.get("fold"))
        self.folds = [file.parent.name for file in self.files]
        checkpoints = [self._checkpoint(file) for file in self.files]
        self.weights = [one["network_weights"] for one in checkpoints]
        # As nnU-Net, what is not of the weights is that of the first.
        first = checkpoints[0]
        self.trainer = str(first.get("trainer_name"))
        if self.trainer not in TRAINERS:
            raise ValueError(
                f"{path}: trained by {self.trainer}, which is none of nnU-Net's own trainers that "
                "keep to the plans; what network it builds is not known"
            )
        trained = (first.get("init_args") or {}).get("configuration")
        name = str(options.get("configuration", trained or "2d"))
        if trained is not None and name != trained:
            raise ValueError(f"{path}: the weights are of configuration {trained!r}, not {name!r}")
        self.configuration_name = name
        self.configuration = self._configuration(name)
        self.mirror_axes = sorted(
            int(a) for a in first.get("inference_allowed_mirroring_axes") or ()
        )
        if any(not 0 <= axis < len(self.patch) for axis in self.mirror_axes):
            raise ValueError(
                f"{path}: mirroring axes {self.mirror_axes} for a patch of {len(self.patch)} axes"
            )

    def _json(self, name: str) -> dict[str, Any]:
        try:
            read = json.loads((self.path / name).read_text("utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.path / name}: is no JSON: {error}") from error
        if not isinstance(read, dict):
            raise ValueError(f"{self.path / name}: holds no object")
        return read

    # ---- checkpoints ---------------------------------------------------------------------------

    def _checkpoint_files(self, fold: int | str | Sequence[int] | None) -> list[Path]:
        """Those of the folds asked for; by default of all but "all", whose mean nnU-Net takes."""
        found = next(
            (
                {file.parent.name.removeprefix("fold_"): file for file in files}
                for name in _CHECKPOINTS
                if (files := sorted(self.path.glob(f"fold_*/{name}")))
            ),
            {},
        )
        if not found:
            raise FileNotFoundError(f"{self.path}: no fold_*/{_CHECKPOINTS[0]}")
        if fold is None:
            names = [name for name in found if name != "all"] or list(found)
        elif isinstance(fold, (int, str)):
            names = [str(fold)]
        else:
            names = [str(one) for one in fold]
        for name in names:
            if name not in found:
                raise ValueError(f"{self.path}: no fold {name}; there are {', '.join(found)}")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"fold must name each fold once, got {fold!r}")
        return [found[name] for name in names]

    def _checkpoint(self, file: Path) -> Mapping[str, Any]:
        checkpoint = load_weights_only(file)
        if not isinstance(checkpoint, Mapping) or "network_weights" not in checkpoint:
            raise ValueError(f"{file}: no checkpoint of nnU-Net 2")
        return checkpoint

    # ---- plans ---------------------------------------------------------------------------------

    def _configuration(self, name: str) -> dict[str, Any]:
        """The plans of a configuration, with those that it inherits from."""
        known = self.plans.get("configurations", {})
        if name not in known:
            raise ValueError(f"{self.path}: no configuration {name!r}; plans: {', '.join(known)}")
        chain = [known[name]]
        while "inherits_from" in chain[-1] and len(chain) < 16:
            parent = chain[-1]["inherits_from"]
            if parent not in known:
                raise ValueError(
                    f"{self.path}: no configuration {parent!r}, from which one inherits"
                )
            chain.append(known[parent])
        merged: dict[str, Any] = {}
        for entry in reversed(chain):
            merged |= entry
        if merged.get("previous_stage"):
            raise ValueError(
                f"{self.path}: {name!r} is the second stage of a cascade; none is built"
            )
        spacing, patch = merged.get("spacing"), merged.get("patch_size")
        if not patch or not spacing or len(spacing) != len(patch) or not min(spacing) > 0:
            raise ValueError(
                f"{self.path}: configuration {name!r} needs patch_size and a spacing above 0 for "
                f"each of its axes, got {patch} and {spacing}"
            )
        preprocessor = merged.get("preprocessor_name", "DefaultPreprocessor")
        if preprocessor != "DefaultPreprocessor":
            raise ValueError(
                f"{self.path}: prepared by {preprocessor}; DefaultPreprocessor is known"
            )
        return merged

    @property
    def patch(self) -> list[int]:
        """Sides of a window."""
        return [int(side) for side in self.configuration["patch_size"]]

    @property
    def takes_pictures(self) -> bool:
        """Whether it was trained on pictures, which have no spacing."""
        reader = str(self.plans.get("image_reader_writer", "SimpleITKIO"))
        if reader not in _READERS:
            raise ValueError(
                f"{self.path}: images are read by {reader}, which may turn or change them; known: "
                f"{', '.join(_READERS)}"
            )
        return reader == _PICTURES

    # ---- data set ------------------------------------------------------------------------------

    @property
    def channel_names(self) -> list[str]:
        """Of the input, in its order."""
        names = self.dataset.get("channel_names") or self.dataset.get("modality")
        if not isinstance(names, Mapping) or sorted(map(str, names)) != sorted(
            str(i) for i in range(len(names))
        ):
            raise ValueError(
                f"{self.path / 'dataset.json'}: channel_names must name channels 0, 1 and so on, "
                f"got {names!r}"
            )
        return [str(names[key]) for key in sorted(names, key=int)]

    @property
    def labels(self) -> dict[str, Any]:
        """All but the ignored one."""
        labels = self.dataset.get("labels")
        if not isinstance(labels, Mapping) or labels.get("background") != 0:
            raise ValueError(
                f"{self.path / 'dataset.json'}: labels must name background as 0, got {labels!r}"
            )
        return {str(name): value for name, value in labels.items() if name != "ignore"}

    @property
    def regions(self) -> list[str] | None:
        """Names of regions, which may overlap; None where the network tells classes apart."""
        labels = self.labels
        if not any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
            return None
        return [name for name, value in labels.items() if value not in (0, [0])]

    @property
    def outputs(self) -> int:
        """Channels of the network's output."""
        return len(self.labels) if self.regions is None else len(self.regions)

    @property
    def label_values(self) -> list[int]:
        """What stands for each output in a result."""
        if self.regions is not None:
            order = self.dataset.get("regions_class_order")
            if not isinstance(order, list) or len(order) != len(self.regions):
                raise ValueError(
                    f"{self.path}: regions_class_order must give each of the {len(self.regions)} "
                    f"regions a label, got {order}"
                )
            return [int(value) for value in order]
        values = sorted(int(value) for value in self.labels.values())
        if values != list(range(len(values))):
            raise ValueError(f"{self.path}: labels {self.labels} are not 0, 1, 2 and so on")
        return values

    @property
    def class_names(self) -> list[str]:
        """Background, and what stands for each further label."""
        if self.regions is not None:
            return ["background", *self.regions]
        values = self.label_values
        names = {int(value): name for name, value in self.labels.items()}
        return [names[value] for value in values]
