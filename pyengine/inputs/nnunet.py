"""Results folders of nnU-Net (version 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyengine.inputs.module import Module
from pyengine.inputs.nnunet_folder import ResultsFolder
from pyengine.inputs.nnunet_network import network_of
from pyengine.inputs.nnunet_processing import manifest_of
from pyengine.inputs.source import InputKind, Source, SourceKeywords, is_path, require


class NnUnet(InputKind):
    """A folder such as ``nnUNetTrainer__nnUNetPlans__2d``: one fold, or the mean of several."""

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
        folder = ResultsFolder(Path(source), options)
        manifest = manifest_of(folder)
        shape = sample_shape or (1, len(folder.channel_names), *folder.patch)
        loaded = Module().load(network_of(folder), shape, {})
        folds = folder.folds[0] if len(folder.folds) == 1 else f"mean of {', '.join(folder.folds)}"
        loaded.description = f"{folder.dataset.get('name', folder.path.name)} (nnU-Net, {folds})"
        loaded.manifest = manifest
        return loaded
