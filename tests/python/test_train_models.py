"""Networks against their published shapes; checkpoints; ImageNet weights; engines built from all."""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest
import torch

import pyengine
from train.checkpoint import load_checkpoint, save_checkpoint
from train.config import config_to_dict, known_configs, load_config
from train.models import (
    ClassifierConfig,
    MultiScaleUNet,
    UNet,
    UNetConfig,
    build_classifier,
    build_network,
)
from train.models.imagenet import load_imagenet_weights


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("convs", [1, 2, 3])
@pytest.mark.parametrize("up", ["transposed", "upsample"])
def test_unet_sizes(depth, padding, convs, up) -> None:
    config = UNetConfig(
        2, 3, base_width=2, max_width=6, depth=depth, padding=padding, up=up,
        convs_per_block=convs, dropout=0.1,
    )  # fmt: skip
    net = UNet(config).eval()
    for wanted in (1, 17, 40):
        size = config.output_size(wanted)
        assert wanted <= size < wanted + config.alignment
        side = size + 2 * config.margin
        with torch.inference_mode():
            assert net(torch.zeros(1, 2, side, side)).shape == (1, 3, size, size)


def test_unet_is_the_papers() -> None:
    """572 -> 388 pixels, 64 to 1024 channels: 31.03 million parameters, as in the paper's figure 1."""
    config = UNetConfig(base_width=64, batch_norm=False)
    assert (config.margin, config.output_size(388)) == (92, 388)
    assert sum(p.numel() for p in UNet(config).parameters()) == 31_030_658
    same = UNetConfig(padding="same")
    assert (same.margin, same.context) == (0, 92)


@pytest.mark.parametrize(
    ("shape", "side"),
    [({"convs_per_block": 3}, 160), ({"scales": 2, "max_width": 4}, 240)],
)
def test_unet_sees_what_it_says(shape, side) -> None:
    """The gradient of one output reaches `context` pixels, rounded by the pooling grid."""
    config = UNetConfig(1, 1, base_width=2, depth=2, padding="same", batch_norm=False, **shape)
    torch.manual_seed(0)
    net = build_network(config).double().eval()
    for p in net.parameters():
        p.data.abs_()
    x = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    net(x)[0, 0, side // 2, side // 2].backward()
    reach = x.grad[0, 0].nonzero()
    span = (reach.max(0).values - reach.min(0).values)[0].item() / 2
    # Max pooling hides some pixels, the 2x2 steps add up to one alignment.
    assert config.context - 8 <= span <= config.context + config.alignment


@pytest.mark.parametrize(("scales", "kind"), [(1, UNet), (2, MultiScaleUNet)])
def test_odd_sizes_repeat_the_edge(scales, kind) -> None:
    """The published fluid network pads the upsampled map by its edge where a pooling rounded down."""
    config = UNetConfig(1, 2, base_width=2, depth=2, padding="same", scales=scales)
    # Sizes must fit the pooling grid of the smallest scale.
    assert config.alignment == 4 * scales
    net = build_network(config).eval()
    assert type(net) is kind
    with torch.inference_mode():
        assert net(torch.zeros(1, 1, 37, 50)).shape == (1, 2, 37, 50)


def test_several_scales_start_as_the_mean_of_one() -> None:
    config = UNetConfig(base_width=3, depth=2, padding="same", scales=3)
    net = build_network(config).eval()
    assert isinstance(net, MultiScaleUNet)
    single = net.single_scale().eval()
    assert not isinstance(single, MultiScaleUNet)
    net.start_from(single)
    x = torch.randn(1, 1, 48, 64)
    with torch.inference_mode():
        half, quarter = (torch.nn.functional.avg_pool2d(x, n) for n in (2, 4))
        large = [
            torch.nn.functional.interpolate(single(y), scale_factor=n, mode="bilinear")
            for n, y in ((2, half), (4, quarter))
        ]
        torch.testing.assert_close(net(x), (single(x) + large[0] + large[1]) / 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scales": 0}, {"scales": 2, "padding": "valid"}, {"depth": 0}, {"dropout": 1.0}, {"up": "pixelshuffle"}, {"padding": "full"},
        {"output": "tanh"}, {"convs_per_block": 0}, {"up": "nearest_conv2x2", "padding": "valid"},
    ],
)  # fmt: skip
def test_unet_refuses(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UNetConfig(**wrong)


def test_classifiers_are_the_published_ones() -> None:
    """Parameters of the ImageNet networks without top, by keras.applications' documentation."""

    def parameters(module: torch.nn.Module) -> int:
        buffers = [b for n, b in module.named_buffers() if "running" in n]
        return sum(p.numel() for p in [*module.parameters(), *buffers])

    vgg = build_classifier(ClassifierConfig("vgg16", in_channels=3, size=(224, 224)))
    assert parameters(vgg.base) == 14_714_688
    mobile = build_classifier(ClassifierConfig("mobilenet", in_channels=3, size=(224, 224)))
    assert parameters(mobile.base) == 3_228_864
    for name, count in (("cnn5", 5), ("vgg16_slim", 13)):
        net = build_classifier(ClassifierConfig(name))
        assert sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) == count
    slim = [m for m in net.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(slim) == 16


@pytest.mark.parametrize(
    "wrong",
    [
        {"architecture": "resnet"}, {"size": (100, 128)}, {"head": "attention"}, {"dropout": -0.1},
        {"weights": "x.h5", "architecture": "cnn5"},
    ],
)  # fmt: skip
def test_classifiers_refuse(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClassifierConfig(**wrong)


@pytest.mark.parametrize("architecture", ["mobilenet", "vgg16", "cnn5", "vgg16_slim"])
@pytest.mark.parametrize("head", ["pool", "flatten"])
def test_classifiers_run_in_engines_as_in_torch(tmp_path, architecture, head) -> None:
    torch.manual_seed(1)
    config = ClassifierConfig(architecture, size=(64, 96), head=head, dropout=0.3)
    net = build_classifier(config)
    net.train()
    with torch.inference_mode():  # batch norm gets statistics worth folding
        for _ in range(3):
            net(torch.randn(4, 1, 64, 96))
    net.eval()
    path = tmp_path / "x.pyengine"
    names = ["CNV", "DME", "DRUSEN", "NORMAL"]
    pyengine.build(net, path, (1, 1, 64, 96), classes=names)
    engine = pyengine.Engine(path)
    rng = np.random.default_rng(0)
    for _ in range(3):
        image = rng.standard_normal((64, 96), dtype=np.float32)
        answer = engine.classify(image)
        with torch.inference_mode():
            want = net(torch.from_numpy(image)[None, None]).softmax(1)[0].numpy()
        np.testing.assert_allclose(answer.probabilities, want, atol=1e-4)
        assert answer.label == names[int(want.argmax())]


def test_checkpoints(tmp_path) -> None:
    config = load_config("retinal-vessels")
    shape = UNetConfig(3, 2, base_width=2, depth=1)
    net = build_network(shape)
    save_checkpoint(tmp_path / "a.pt", net, shape, {"task": "segmentation"}, config_to_dict(config))
    back = load_checkpoint(tmp_path / "a.pt", "retinal-vessels")
    assert back.network == shape
    assert not back.model.training
    for key, value in net.state_dict().items():
        assert torch.equal(value, back.model.state_dict()[key])
    with pytest.raises(
        ValueError, match="checkpoint of 'retinal-vessels', expected one of 'oct-fluid'"
    ):
        load_checkpoint(tmp_path / "a.pt", "oct-fluid")
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        load_checkpoint(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(ValueError, match=r"bad\.pt: not a checkpoint"):
        load_checkpoint(tmp_path / "bad.pt")
    torch.save({"weights": 1}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="no pyengine-checkpoint mark"):
        load_checkpoint(tmp_path / "other.pt")


def test_full_disk_while_saving_a_checkpoint(tmp_path) -> None:
    """In a process that may write 20 kB per file: an OSError, the older file intact."""
    import subprocess
    import sys

    from conftest import ROOT

    (tmp_path / "best.pt").write_bytes(b"old")
    code = f"""
import resource
from pathlib import Path
from train.checkpoint import save_checkpoint
from train.models import UNetConfig, build_network
shape = UNetConfig(1, 2, base_width=8, depth=2)
net = build_network(shape)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    save_checkpoint(Path({str(tmp_path)!r}) / "best.pt", net, shape, {{}}, {{}})
except OSError as error:
    print("refused", type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("refused"), done.stderr
    assert (tmp_path / "best.pt").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["best.pt"]


def test_keras_weights_land_where_they_belong(tmp_path) -> None:
    """A file in Keras' layout, written from a network of ours, restores that network."""
    torch.manual_seed(0)
    shape = ClassifierConfig("mobilenet", in_channels=3, size=(32, 32), weights="x.h5")
    source, target = build_classifier(shape), build_classifier(shape)
    layers = [m for m in source.base if isinstance(m, (torch.nn.Conv2d, torch.nn.BatchNorm2d))]
    with h5py.File(tmp_path / "m.h5", "w") as file:
        names = []
        for i, layer in enumerate(layers):
            group = file.create_group(f"layer{i}")
            if isinstance(layer, torch.nn.Conv2d):
                depthwise = layer.groups > 1
                kernel = layer.weight.detach().numpy()
                kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
                arrays = {("depthwise_kernel:0" if depthwise else "kernel:0"): kernel}
            else:
                layer.running_mean.normal_()
                arrays = {
                    "gamma:0": layer.weight, "beta:0": layer.bias,
                    "moving_mean:0": layer.running_mean, "moving_variance:0": layer.running_var,
                }  # fmt: skip
            for key, value in arrays.items():
                group[key] = np.asarray(
                    value.detach() if isinstance(value, torch.Tensor) else value
                )
            group.attrs["weight_names"] = [k.encode() for k in arrays]
            names.append(f"layer{i}".encode())
        file.attrs["layer_names"] = names
    load_imagenet_weights(target, tmp_path / "m.h5")
    x = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(source.eval().base(x), target.eval().base(x))


def test_torchvision_weights_and_grey_images(tmp_path) -> None:
    """torchvision's order; for one channel the kernels are summed: the grey image in all three."""
    torch.manual_seed(0)
    colour = build_classifier(ClassifierConfig("vgg16", in_channels=3, size=(32, 32)))
    # torchvision's state dict goes on with the classifier, which is not wanted here.
    state = {f"features.{k}": v for k, v in colour.base.state_dict().items()}
    torch.save(state | {"classifier.0.weight": torch.zeros(4, 4)}, tmp_path / "vgg.pth")
    grey = build_classifier(
        ClassifierConfig("vgg16", in_channels=1, size=(32, 32), freeze_base=True)
    )
    load_imagenet_weights(grey, tmp_path / "vgg.pth")
    x = torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        want, got = colour.base(x.expand(1, 3, 32, 32)), grey.base(x)
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
    assert not any(p.requires_grad for p in grey.base.parameters())
    with pytest.raises(ValueError, match="arrays"):
        load_imagenet_weights(build_classifier(ClassifierConfig("mobilenet")), tmp_path / "vgg.pth")
    with pytest.raises(FileNotFoundError):
        load_imagenet_weights(grey, tmp_path / "no.pth")


def test_every_configuration_loads_and_builds_its_network() -> None:
    names = known_configs()
    for system in ("em-membranes", "retinal-vessels", "oct-fluid", "ultrasound-nerve"):
        assert {system, f"{system}-published"} <= set(names)
    for name in names:
        config = load_config(name)
        small = config.network
        if isinstance(small, UNetConfig):
            small = dataclasses.replace(small, base_width=2)
            side = small.output_size(32) + 2 * small.margin
            shape = (1, small.in_channels, side, side)
        else:
            shape = (1, small.in_channels, *small.size)
        with torch.inference_mode():
            assert build_network(small).eval()(torch.zeros(shape)).shape[1] == small.classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "system is missing"),
        ('system = "x"\nlearning_speed = 1', "learning_speed"),
        ('system = "x"\n[network]\nkind = "tree"', "kind must be one of"),
        ('system = "x"\n[network]\nlayers = 3', "layers"),
        ('system = "x"\n[loss]\nname = "hinge"', "loss.name must be one of"),
        ('system = "x"\n[data]\nadjacent = 2', "adjacent must be odd"),
        ('system = "x"\n[data]\nreference_widths = [256, 0]', "reference_widths must be >= 1 px"),
        ("system = ", "not TOML"),
    ],
)
def test_configuration_errors(tmp_path, text, message) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_config(str(tmp_path / "x.toml"))


def test_unknown_configuration_lists_the_known() -> None:
    with pytest.raises(ValueError, match="known: em-membranes"):
        load_config("nothing")
