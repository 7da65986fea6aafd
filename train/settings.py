"""Settings of one training run: frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field

from train.models import NetworkConfig, UNetConfig


@dataclass(frozen=True)
class SplitConfig:
    """Which subjects are kept away from training; packed files carry the result.

    Attributes
    ----------
    validation : tuple of str
        Subjects that choose the checkpoint.
    test : tuple of str
        Subjects that choose nothing.
    validation_fraction : float
        Share of the remaining subjects, drawn by a hash of the name, that also validate.
    """

    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    validation_fraction: float = 0.0


@dataclass(frozen=True)
class DataConfig:
    """What the network is shown.

    Attributes
    ----------
    resize : (int, int) or None
        Height and width in pixels that every image is brought to, as published systems do.
    adjacent : int
        Odd number of neighbouring slices of a volume that become channels ("2.5-D").
    patch : int
        Side of one training output in pixels, rounded up to a size the network allows.
    patches_per_epoch : int
        Patches drawn per epoch; 0 = every image once.
    foreground_fraction : float
        Share of the patches centred on a pixel that is not class 0, where the image has one.
    reference_widths : tuple of int
        Widths in pixels at which images are shown, for data sets that hold the same scene at
        several resolutions: zoom is relative to one of them, drawn for each patch; validation
        images are brought to each of them in turn. Empty = each image's own.
    preprocessing : {"standardize", "rescale"}
        Subtract mean and divide by standard deviation of the training set, or divide by 255.
    phantoms : int
        Synthetic images to generate in place of a data set; 0 = read the data set.
    """

    resize: tuple[int, int] | None = None
    adjacent: int = 1
    patch: int = 256
    patches_per_epoch: int = 0
    foreground_fraction: float = 0.0
    reference_widths: tuple[int, ...] = ()
    preprocessing: str = "standardize"
    phantoms: int = 0


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes, image and labels always together; 0 or false switches each one off.

    Attributes
    ----------
    zoom : (float, float)
        Range of one magnification for both axes; (1, 1) = off.
    rotation_degrees : float
        Largest free rotation to either side.
    stretch : float
        Largest relative change of each axis on its own.
    shift_px : float
        Largest translation along each axis.
    elastic_px : float
        Largest displacement of the control points of an elastic deformation.
    elastic_spacing_px : float
        Distance of the control points.
    flip_horizontal, flip_vertical, rotate_90 : bool
        Each with probability one half.
    contrast : float
        Largest relative change of contrast, and of each colour channel.
    brightness : float
        Largest shift of each channel in standard deviations of the training set.
    gamma : float
        Largest exponent of a gamma curve, and one over it; 1 or less = off.
    noise : float
        Largest standard deviation of Gaussian noise, in those of the training set.
    blur_px : float
        Largest standard deviation of a Gaussian blur, applied to every third image.
    """

    zoom: tuple[float, float] = (1.0, 1.0)
    rotation_degrees: float = 0.0
    stretch: float = 0.0
    shift_px: float = 0.0
    elastic_px: float = 0.0
    elastic_spacing_px: float = 100.0
    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotate_90: bool = False
    contrast: float = 0.0
    brightness: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    blur_px: float = 0.0


@dataclass(frozen=True)
class LossConfig:
    """What is minimised.

    Attributes
    ----------
    name : {"cross_entropy", "bce", "mse", "dice", "cross_entropy+dice"}
        ``bce`` and ``mse`` are for networks of one output.
    border_w0, border_sigma_px : float
        Weight map of Ronneberger 2015, equation 2; ``border_w0 = 0`` switches it off.
    class_weights : tuple of float
        One factor per class; empty = all 1.
    label_smoothing : float
        For classifiers, 0 to 1.
    """

    name: str = "cross_entropy"
    border_w0: float = 0.0
    border_sigma_px: float = 5.0
    class_weights: tuple[float, ...] = ()
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class OptimizerConfig:
    """How it is minimised.

    Attributes
    ----------
    name : {"sgd", "adam", "adamw"}
    learning_rate, weight_decay, momentum : float
        Momentum is SGD's.
    schedule : {"cosine", "constant"}
        Half a cosine down to zero over the whole run, or none.
    warmup_steps : int
        Steps of linear increase at the start.
    """

    name: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    momentum: float = 0.9
    schedule: str = "cosine"
    warmup_steps: int = 0


@dataclass(frozen=True)
class TrainerConfig:
    """The loop.

    Attributes
    ----------
    epochs, batch_size : int
    precision : str
        Lightning's: "32-true", "bf16-mixed", "16-mixed".
    ema_decay : float
        Decay per step of the moving average of the weights, which is what is kept; 0 = off.
    validate_every_epochs : int
    monitor : str
        Score on the validation subjects that chooses the best checkpoint.
    monitor_mode : {"max", "min"}
    patience : int
        Validations without improvement after which training stops; 0 = never.
    workers : int
        Processes that prepare patches.
    freeze_norms : bool
        Batch norm keeps the statistics it starts with, for a second stage on other data.
    calibrate : {"", "accuracy", "dice"}
        Score that the point where labels change is moved for, on training images.
    """

    epochs: int = 100
    batch_size: int = 4
    precision: str = "32-true"
    ema_decay: float = 0.0
    validate_every_epochs: int = 1
    monitor: str = "dice"
    monitor_mode: str = "max"
    patience: int = 0
    workers: int = 1
    freeze_norms: bool = False
    calibrate: str = ""


@dataclass(frozen=True)
class TrainConfig:
    """One run.

    Attributes
    ----------
    system : str
        One of `train.systems.SYSTEMS`.
    name : str
        Name of this configuration, e.g. ``retinal-vessels-published``.
    seed : int
        Seeds initial weights, patches, augmentation and dropout.
    initial : str
        Name of the configuration whose run gives the weights to start from; "" = random weights.
    network : UNetConfig or ClassifierConfig
        Shape of the network; its ``kind`` chooses which.
    """

    system: str
    name: str
    seed: int = 0
    initial: str = ""
    network: NetworkConfig = field(default_factory=UNetConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
