"""The systems: what each is called, where its data lies, what its task and its classes are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyengine.phantoms import LAYERS
from train.data import chiu2015, drive, isbi2012, kermany2018, phantoms, ultrasound_nerve
from train.data.sample import Sample
from train.tasks import TASKS, Task


@dataclass(frozen=True)
class System:
    """One system to train.

    Attributes
    ----------
    name : str
        Also the name of its engine.
    title : str
        For people.
    task : str
        One of `train.tasks.TASKS`.
    classes : tuple of str
        Class 0 of a segmentation is what is left over.
    colors : tuple of RGB
        One per class.
    training_data, terms : str
        Provenance that the engine carries.
    published : str
        What the publication states, in its own words; "" = there is none.
    published_scores : dict of float
        The same under our names of scores, where they have one.
    key_scores : tuple of str
        Scores that say most about this system, best first.
    description, input, limits, citation : str
        Sentences for the engine's model card.
    folder : str
        Of the data set, below the data root; "" = there is none, only phantoms.
    load : callable, optional
        Root folder to samples.
    phantoms : callable, optional
        Number of images and seed to synthetic samples.
    """

    name: str
    title: str
    task: str
    classes: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    training_data: str
    terms: str
    published: str
    published_scores: dict[str, float]
    key_scores: tuple[str, ...]
    description: str
    input: str
    limits: str
    citation: str
    folder: str = ""
    load: Callable[[Path], Iterator[Sample]] | None = None
    phantoms: Callable[[int, int], Iterator[Sample]] | None = None

    def make_task(self) -> Task:
        """What its networks are asked."""
        return TASKS[self.task](self.classes)


_ALL = (
    System(
        name="oct-fluid",
        title="OCT fluid in diabetic macular edema",
        task="two_class",
        classes=("background", "fluid"),
        colors=((0, 0, 0), (64, 160, 255)),
        folder="chiu2015",
        load=chiu2015.load,
        training_data="Chiu 2015, OCT of diabetic macular edema, annotated B-scans (manualFluid1)",
        terms="research use; cite Chiu 2015",
        published="88 % pixel accuracy",
        published_scores={"accuracy": 0.88},
        key_scores=("dice", "dice_per_image", "sensitivity", "specificity", "accuracy"),
        description="Fluid in OCT B-scans of eyes with diabetic macular edema (Spectralis, 496 x 768 px).",
        input="1 channel, grey values 0 to 255 (uint8), the B-scan as the data set holds it",
        limits="Trained on five patients with one disease and one device. Other devices, averaging or diseases change the picture.",
        citation='The weights derive from S. J. Chiu et al., "Kernel regression based segmentation of optical coherence tomography images with diabetic macular edema", Biomed. Opt. Express 6(4), 2015.',
    ),
    System(
        name="retinal-vessels",
        title="Retinal vessels in colour fundus photographs",
        task="two_class",
        classes=("background", "vessel"),
        colors=((0, 0, 0), (80, 255, 80)),
        folder="drive",
        load=drive.load,
        training_data="DRIVE, 1st_manual",
        terms="research use; cite Staal 2004",
        published="curves without numbers",
        published_scores={},
        key_scores=("roc_auc", "dice", "pr_auc", "accuracy"),
        description="Blood vessels in colour photographs of the fundus (565 x 584 px, 45 degrees).",
        input="3 channels (RGB), values 0 to 255 (uint8), the photograph as the data set holds it",
        limits="Trained on 17 photographs of one camera at one resolution; photographs of higher resolution should be reduced to vessels of the same width in pixels.",
        citation='The weights derive from DRIVE: J. Staal et al., "Ridge-based vessel segmentation in color images of the retina", IEEE Trans. Med. Imaging 23(4), 2004.',
    ),
    System(
        name="ultrasound-nerve",
        title="Brachial plexus in ultrasound",
        task="two_class",
        classes=("background", "nerve"),
        colors=((0, 0, 0), (255, 200, 0)),
        folder="ultrasound_nerve",
        load=ultrasound_nerve.load,
        training_data="Kaggle Ultrasound Nerve Segmentation 2016",
        terms="research use; Kaggle competition rules",
        published="pictures without numbers",
        published_scores={},
        key_scores=("dice_per_image", "dice", "sensitivity", "specificity"),
        description="The brachial plexus in ultrasound images of the neck.",
        input="1 channel, grey values 0 to 255 (uint8), the image as the data set holds it: native (420 x 580 px) or resized (256 x 256 px)",
        limits="Most training images show the nerve; the engine finds one too often where there is none. Native images of one patient only were at hand, and were trained on: scores at 580 px are of images enlarged from 256 px. Between and beyond these two scales it was not scored.",
        citation='The weights derive from the data of the Kaggle competition "Ultrasound Nerve Segmentation", 2016, and are bound to its rules.',
    ),
    System(
        name="em-membranes",
        title="Neuronal membranes in electron microscopy",
        task="membranes",
        classes=("interior", "membrane"),
        colors=((0, 0, 0), (255, 64, 64)),
        folder="isbi2012",
        load=isbi2012.load,
        training_data="ISBI 2012 EM segmentation challenge, labelled sections",
        terms="research use; cite Arganda-Carreras 2015 and Cardona 2010",
        published="87 % pixel accuracy; 20 CPU minutes an epoch",
        published_scores={"accuracy": 0.87},
        key_scores=("accuracy", "v_rand", "v_info", "roc_auc"),
        description="Neuronal membranes in serial-section transmission electron microscopy (ssTEM), 4 nm/px.",
        input="1 channel, grey values 0 to 255 (uint8), cells bright, membranes dark",
        limits="Trained on one animal, one microscope, one resolution. Organelles with dark outlines are called membrane now and then.",
        citation='The weights derive from research data whose owners ask to be cited: I. Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for connectomics", Front. Neuroanat. 9:142 (2015); A. Cardona et al., "An integrated micro- and macroarchitectural analysis of the Drosophila brain by computer-assisted serial section electron microscopy", PLoS Biol. 8(10) (2010).',
    ),
    System(
        name="oct-classes",
        title="OCT disease classes",
        task="whole_image",
        classes=kermany2018.CLASSES,
        colors=((230, 159, 0), (86, 180, 233), (204, 121, 167), (0, 158, 115)),
        folder="kermany2018",
        load=kermany2018.load,
        phantoms=phantoms.load_classes,
        training_data="Kermany 2018",
        terms="research use; cite Kermany 2018",
        published="71 % accuracy MobileNet, 96 % custom VGG",
        published_scores={},
        key_scores=("accuracy", "f1", "roc_auc", "brier"),
        description="Disease class of an OCT B-scan.",
        input="1 channel, grey values 0 to 255 (uint8), resized to the network's input",
        limits="Trained on synthetic phantoms: a proof of the tool chain, not of medicine.",
        citation='D. S. Kermany et al., "Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep Learning", Cell 172(5), 2018.',
    ),
    System(
        name="oct-layers",
        title="Layers of the retina in OCT",
        task="multi_class",
        classes=("outside", *LAYERS),
        colors=(
            (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178),
            (213, 94, 0), (204, 121, 167),
        ),
        phantoms=phantoms.load_layers,
        training_data="none but synthetic OCT phantoms",
        terms="none",
        published="",
        published_scores={},
        key_scores=("dice", "accuracy", "dice/nerve fibres", "dice/RPE"),
        description="The seven layers of the retina in OCT B-scans.",
        input="1 channel, grey values 0 to 255 (uint8)",
        limits="Trained on synthetic phantoms: a proof of the tool chain, not of medicine.",
        citation="The weights derive from synthetic images only.",
    ),
)  # fmt: skip
SYSTEMS = {system.name: system for system in _ALL}


def find_system(name: str) -> System:
    """The system of that name.

    Raises
    ------
    ValueError
        None; the message lists them.
    """
    if name not in SYSTEMS:
        raise ValueError(f"no system {name!r}; known: {', '.join(sorted(SYSTEMS))}")
    return SYSTEMS[name]
