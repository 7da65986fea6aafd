"""An engine's labels of a volume beside those of nnU-Net's own predictor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine.inputs.nnunet_folder import ResultsFolder
from pyengine.inputs.nnunet_network import untrained_network
from pyengine.inputs.source import require
from pyengine.volumes.case import channel_files, read_case
from pyengine.volumes.segment import recipe_for, segment_channels
from pyengine.volumes.windows import summed_weights

if TYPE_CHECKING:
    from pyengine.engine import Engine

# nnU-Net sums half-precision numbers; what differs by less of the scores' range is a near tie.
NEAR_TIE = 1e-3
# Steps of half precision below 2^-14, where weights in the corners of a volume are.
_FINEST_STEP = 2.0**-24


@dataclass(frozen=True)
class VolumeComparison:
    """Labels of one volume, by an engine and by nnU-Net.

    Attributes
    ----------
    voxels : int
    differing : int
        Voxels whose labels differ.
    differing_near_ties : int
        Of these, such whose two best scores differ by less than 1e-3 of the scores' range (of
        regions: such with a score so close to 0), and than half precision tells apart in corners of
        the volume, where nnU-Net's weights are tiny.
    near_ties : int
        All such voxels.
    dice : dict of str to float
        Overlap of each class but background.
    """

    voxels: int
    differing: int
    differing_near_ties: int
    near_ties: int
    dice: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Whether labels differ at near ties alone."""
        return self.differing == self.differing_near_ties

    def __str__(self) -> str:
        dice = ", ".join(f"{name} {value:.4f}" for name, value in self.dice.items())
        return (
            f"{self.differing} of {self.voxels} voxels differ, {self.differing_near_ties} of them "
            f"near ties (of which there are {self.near_ties}); Dice: {dice}"
        )


def compare_with_nnunet(
    engine: Engine, source: str | os.PathLike[str], case: str | os.PathLike[str]
) -> VolumeComparison:
    """Segment a case by both, with nnU-Net's windows and mirroring.

    Parameters
    ----------
    engine : Engine
        Built from `source`.
    source : path
        nnU-Net's results folder. Its checkpoints are read without executing them.
    case : path
        The volume; of several channels that of the first, ``CASE_0000.nii.gz``.

    Raises
    ------
    ImportError
        nnunetv2 is not installed.
    ValueError
        Engine, folder or case do not fit each other.
    """
    require("nnunetv2", "nnunet")
    folder = ResultsFolder(Path(source), {"fold": _folds(engine)})
    channels = int(engine.info.input["channels"])
    recipe = recipe_for(engine, {})
    files = channel_files(Path(case), channels)
    read = read_case(files, channels, recipe, {})
    got = segment_channels(engine, recipe, read.channels, read.spacing_mm, False, {})
    want, ties = _predicted(folder, files)
    if got.shape != want.shape:
        raise ValueError(f"{case}: labels of {got.shape}, nnU-Net's of {want.shape}")
    differing = got != want
    names = zip(recipe.labels, engine.info.classes[-len(recipe.labels) :], strict=True)
    return VolumeComparison(
        got.size, int(differing.sum()), int((differing & ties).sum()), int(ties.sum()),
        {name: _dice(got == label, want == label) for label, name in names if label != 0},
    )  # fmt: skip


def _folds(engine: Engine) -> Sequence[int] | str:
    """Those that the engine is of."""
    stored = engine.info.provenance.get("nnunet", {}).get("folds")
    if not stored:
        raise ValueError(f"{engine.info.path}: was not built from an nnU-Net results folder")
    names = [str(name).removeprefix("fold_") for name in stored]
    return "all" if names == ["all"] else [int(name) for name in names]


def _dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def _predicted(
    folder: ResultsFolder, files: list[Path]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """nnU-Net's labels, and where its scores are near ties."""
    import torch

    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ.setdefault(name, str(folder.path))  # else it complains of each
    from nnunetv2.inference.export_prediction import (
        convert_predicted_logits_to_segmentation_with_correct_shape as export,
    )
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
    from skimage.transform import resize

    plans = PlansManager(folder.plans)
    configuration = plans.get_configuration(folder.configuration_name)
    labels = plans.get_label_manager(folder.dataset)
    with contextlib.redirect_stdout(None):  # it says that this is no GPU
        predictor = nnUNetPredictor(
            use_mirroring=True, perform_everything_on_device=False, device=torch.device("cpu"),
            allow_tqdm=False,
        )  # fmt: skip
    predictor.manual_initialization(
        untrained_network(folder), plans, configuration, list(folder.weights), folder.dataset,
        folder.trainer, tuple(folder.mirror_axes) or None,
    )  # fmt: skip
    image, properties = plans.image_reader_writer_class().read_images([str(file) for file in files])
    data, _, properties = configuration.preprocessor_class(verbose=False).run_case_npy(
        image, None, properties, plans, configuration, folder.dataset
    )
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
    want = export(logits, plans, configuration, labels, properties)
    steps = [properties["spacing"][axis] for axis in folder.plans["transpose_forward"]]
    current = [*steps[: 3 - len(folder.patch)], *configuration.spacing]
    scores = np.asarray(
        configuration.resampling_fn_probabilities(
            logits, properties["shape_after_cropping_and_before_resampling"], current, steps
        ),
        np.float32,
    )
    ties = np.zeros(properties["shape_before_cropping"], bool)
    box = tuple(slice(*side) for side in properties["bbox_used_for_cropping"])
    patch = tuple(folder.patch) if len(folder.patch) == 3 else (1, *folder.patch)
    lost = _FINEST_STEP / summed_weights(data.shape[1:], patch)
    least = NEAR_TIE * np.ptp(scores) + 2 * resize(lost, scores.shape[1:], order=0)
    ties[box] = _gap(scores, folder.regions is not None) < least
    return np.asarray(want), ties.transpose(folder.plans["transpose_backward"])


def _gap(scores: npt.NDArray[np.float32], regions: bool) -> npt.NDArray[np.float32]:
    """How far each voxel is from another label."""
    if regions:
        least: npt.NDArray[np.float32] = np.abs(scores).min(0)
        return least
    best = np.partition(scores, -2, axis=0)[-2:]
    gap: npt.NDArray[np.float32] = best[1] - best[0]
    return gap
