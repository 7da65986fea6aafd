"""Every kind of source becomes an engine, or says in one line what it is and what to do."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT

import pyengine
from pyengine.inputs import load_source
from pyengine.inputs.torch_file import fit_weights, load_weights_only

SHAPE = (1, 1, 24, 32)
NETWORKS = (
    Path(os.environ.get("PYENGINE_DATA", ROOT.parent / "shared" / "data")).parent / "networks"
)
BROAD = NETWORKS / "unet2d_nuclei_broad"


class Small(torch.nn.Module):
    """A test's own network; `width` is an argument."""

    def __init__(self, width: int = 4, outputs: int = 2) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(1, width, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(width)
        self.last = torch.nn.Conv2d(width, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.norm(self.first(x))))


@pytest.fixture
def network() -> Small:
    torch.manual_seed(0)
    return Small(6).eval()


def same_as_module(path: Path, network: torch.nn.Module) -> None:
    engine = pyengine.Engine(path)
    x = np.random.default_rng(2).standard_normal((1, 1, 40, 48), dtype=np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(engine.run(x), network(torch.from_numpy(x)), atol=1e-5)


# ---- PyTorch's files ------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [torch.jit.script, "trace"])
def test_torchscript(network, tmp_path, script) -> None:
    scripted = (
        torch.jit.trace(network, torch.zeros(SHAPE)) if script == "trace" else script(network)
    )
    scripted.save(str(tmp_path / "net.pt"))
    report = pyengine.build(tmp_path / "net.pt", tmp_path / "x.pyengine", SHAPE)
    assert report.passed
    same_as_module(tmp_path / "x.pyengine", network)
    with pytest.raises(ValueError, match="sample_shape"):
        pyengine.build(tmp_path / "net.pt", tmp_path / "y.pyengine")


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("in_memory", [False, True])
def test_exported_programs(network, tmp_path, free, in_memory) -> None:
    auto = torch.export.Dim.AUTO
    sizes = ({2: auto, 3: auto},) if free else None
    program = torch.export.export(network, (torch.zeros(SHAPE),), dynamic_shapes=sizes)
    source: Any = program
    if not in_memory:
        source = tmp_path / "net.pt2"
        torch.export.save(program, source)
    report = pyengine.build(source, tmp_path / "x.pyengine", SHAPE if free else None)
    assert report.passed
    assert not report.fixed_size
    same_as_module(tmp_path / "x.pyengine", network)
    if not free:
        with pytest.raises(ValueError, match=r"fixed to \(1, 1, 24, 32\), the sample shape is"):
            pyengine.build(source, tmp_path / "y.pyengine", (1, 1, 32, 32))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {f"module.{k}": v for k, v in w.items()},
        lambda w: {"state_dict": {f"model.net.{k}": v for k, v in w.items()}, "epoch": 3},
        lambda w: {
            "model_state_dict": {
                **{f"_orig_mod.{k}": v for k, v in w.items()}, "loss.weight": torch.zeros(2),
            }
        },
    ],
)  # fmt: skip
def test_weights_with_their_module(network, tmp_path, wrap) -> None:
    torch.save(wrap(network.state_dict()), tmp_path / "w.pth")
    pyengine.build(
        tmp_path / "w.pth", tmp_path / "x.pyengine", SHAPE, module=Small, arguments={"width": 6}
    )
    same_as_module(tmp_path / "x.pyengine", network)


def test_weights_in_safetensors(network, tmp_path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(network.state_dict(), tmp_path / "w.safetensors")
    pyengine.build(
        tmp_path / "w.safetensors", tmp_path / "x.pyengine", SHAPE, module=lambda: Small(6)
    )
    same_as_module(tmp_path / "x.pyengine", network)


def test_weights_on_the_command_line(network, tmp_path, monkeypatch, capsys) -> None:
    from pyengine.cli import main

    torch.save(network.state_dict(), tmp_path / "w.pth")
    (tmp_path / "my_net.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, width):\n"
        "        super().__init__()\n"
        "        self.first = torch.nn.Conv2d(1, width, 3, padding=1)\n"
        "        self.norm = torch.nn.BatchNorm2d(width)\n"
        "        self.last = torch.nn.Conv2d(width, 2, 1)\n"
        "    def forward(self, x):\n"
        "        return self.last(torch.relu(self.norm(self.first(x))))\n"
    )
    monkeypatch.chdir(tmp_path)
    command = ["build", "w.pth", "-o", "x.pyengine", "--sample-shape", "1,1,24,32"]
    assert main([*command, "--module", "my_net:Net", "--arguments", '{"width": 6}']) == 0
    same_as_module(tmp_path / "x.pyengine", network)
    for more, words in [
        ([], "weights of a PyTorch module without its class; say --module"),
        (["--module", "my_net:Net", "--arguments", '{"width": 5}'], "another shape: first.weight"),
        (["--module", "my_net:Net", "--arguments", '{"depth": 5}'], "arguments {'depth': 5}"),
        (["--module", "my_net:Missing"], "'my_net' has no 'Missing'"),
        (["--module", "no_such_package:Net"], "cannot import 'no_such_package'"),
        (["--module", "my_net"], "must be like 'package.module:Class'"),
        (["--module", "json:dumps", "--arguments", '{"obj": 1}'], "which is no torch.nn.Module"),
    ]:
        assert main([*command, *more]) == 2
        assert words in capsys.readouterr().err


def test_keywords_of_other_kinds_are_refused(network, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"allow_code is for a path to a bioimage\.io package or"):
        pyengine.build(network, tmp_path / "x.pyengine", SHAPE, allow_code=True)


def test_weights_never_run_what_they_hold(tmp_path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"state_dict": Bomb()}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="cannot read it as weights alone"):
        load_weights_only(tmp_path / "w.pth")
    with pytest.raises(ValueError, match="opening it would run what it holds"):
        pyengine.build(tmp_path / "w.pth", tmp_path / "x.pyengine", SHAPE)
    assert not (tmp_path / "ran").exists()


def test_what_does_not_fit_is_named(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"missing first\.bias, .* and more; surplus a"):
        fit_weights(Small(), {"a": torch.zeros(1)}, tmp_path)


# ---- what is no source ----------------------------------------------------------------------------


def nnunet_checkpoint(path: Path) -> None:
    torch.save({"network_weights": {"a": torch.zeros(1)}, "trainer_name": "nnUNetTrainer"}, path)


UNKNOWN = {
    "checkpoint_final.pth": (nnunet_checkpoint, "an nnU-Net checkpoint without its folder: give"),
    "whole.pt": (lambda p: torch.save(Small(), p), "save its state_dict\\(\\) and say --module"),
    "image.png": (lambda p: p.write_bytes(b"\x89PNG\r\n"), "a PNG image"),
    "net.tflite": (lambda p: p.write_bytes(b"TFL3"), "a TensorFlow Lite network; write"),
    "notes.txt": (lambda p: p.write_text("hello"), "no network of a kind that is known"),
    "nothing.bin": (lambda p: p.write_bytes(b""), "an empty file"),
    "other.zip": (
        lambda p: zipfile.ZipFile(p, "w").writestr("a.txt", "a"), "holds no bioimage.io package",
    ),
    "saved": (
        lambda p: (p.mkdir(), (p / "saved_model.pb").touch()), "a TensorFlow SavedModel; write",
    ),
    "folder": (lambda p: p.mkdir(), "a folder without a network: no bioimageio.yaml"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_no_source_is_told_what_it_is(tmp_path, name, capsys) -> None:
    from pyengine.cli import main

    make, words = UNKNOWN[name]
    make(tmp_path / name)
    with pytest.raises(ValueError, match=words):
        pyengine.build(tmp_path / name, tmp_path / "x.pyengine", SHAPE)
    assert main(["build", str(tmp_path / name), "-o", str(tmp_path / "x.pyengine")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "folder 'train'" not in told


def test_an_onnx_file_is_no_engine(network, tmp_path) -> None:
    torch.onnx.export(network, (torch.zeros(SHAPE),), str(tmp_path / "n.onnx"), dynamo=False)
    with pytest.raises(pyengine.EngineFileError, match="an ONNX network; pyengine build makes"):
        pyengine.Engine(tmp_path / "n.onnx")


# ---- bioimage.io ----------------------------------------------------------------------------------


@pytest.fixture
def broad(tmp_path: Path) -> Path:
    """The package of a real network, as a folder that may be changed."""
    if not BROAD.is_dir():
        pytest.skip(f"no network at {BROAD}")
    pytest.importorskip("yaml")
    folder = tmp_path / "package"
    shutil.copytree(BROAD, folder)
    for path in [folder, *folder.iterdir()]:
        path.chmod(0o755)
    return folder


@pytest.mark.parametrize("description", ["bioimageio.yaml", "v0_4_9", "v0_4_0", "zip"])
def test_a_package_of_bioimageio(broad, tmp_path, description) -> None:
    source = broad
    if description.startswith("v0"):
        (broad / "bioimageio.yaml").unlink()
        (broad / f"{description}.bioimageio.yaml").rename(broad / "rdf.yaml")
    if description == "zip":
        source = Path(shutil.make_archive(str(tmp_path / "package"), "zip", broad))
    pyengine.build(source, tmp_path / "x.pyengine")
    engine = pyengine.Engine(tmp_path / "x.pyengine")
    steps = [step["name"] for step in engine.info.input["preprocessing"]]
    assert "zero_mean_unit_variance" in steps
    assert engine.info.activation == "sigmoid"
    assert engine.info.provenance["bioimageio"]["license"] == "MIT"
    image = np.load(broad / "test_input.npy")[0, 0]
    want = np.load(broad / "test_output.npy")[0]
    got = engine.segment(image, output="probabilities")
    # The network pads with zeros, the engine mirrors the image: far from its border all is the same.
    inside = (slice(None), slice(100, -100), slice(100, -100))
    np.testing.assert_allclose(got[inside], want[inside], atol=1e-3)


def test_test_tensors_are_the_parity_check(broad, tmp_path) -> None:
    result = np.load(broad / "test_output.npy")
    np.save(broad / "test_output.npy", 1 - result)
    text = (broad / "bioimageio.yaml").read_text()
    (broad / "bioimageio.yaml").write_text(
        "\n".join(line for line in text.splitlines() if "39925fb38bc7" not in line)
    )
    with pytest.raises(ValueError, match="on the source's test image the engine differs by"):
        pyengine.build(broad, tmp_path / "x.pyengine")
    assert not (tmp_path / "x.pyengine").exists()


def test_altered_packages_are_refused(broad, tmp_path) -> None:
    with (broad / "weights.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ValueError, match=r"weights\.onnx: SHA-256 differs"):
        pyengine.build(broad, tmp_path / "x.pyengine")
    (broad / "weights.onnx").unlink()
    with pytest.raises(ValueError, match=r"no weights that can be built \(onnx: the package holds"):
        pyengine.build(broad, tmp_path / "x.pyengine")


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "C:\\evil"])
def test_archives_do_not_lead_out(broad, tmp_path, name) -> None:
    path = tmp_path / "slip.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(broad / "bioimageio.yaml", "bioimageio.yaml")
        archive.writestr(name, "evil")
    with pytest.raises(ValueError, match="leads out of the package; refused"):
        pyengine.build(path, tmp_path / "x.pyengine")
    assert not (tmp_path / "evil.txt").exists()


def write_package(folder: Path, network: torch.nn.Module, **changes: Any) -> Path:
    """A package with weights as a state dict and its architecture as code."""
    folder.mkdir()
    torch.save(network.state_dict(), folder / "weights.pt")
    (folder / "net.py").write_text(
        "import torch\n\n\ndef make(width):\n"
        "    conv = torch.nn.Conv2d\n"
        "    return torch.nn.Sequential(conv(1, width, 3, padding=1), conv(width, 1, 1))\n"
    )
    axes = [{"type": "batch"}, {"type": "channel", "channel_names": ["c"]}]
    axes += [{"type": "space", "id": name, "size": 24} for name in "yx"]
    description = {
        "format_version": "0.5.4", "type": "model", "name": "small",
        "inputs": [{"id": "raw", "axes": axes}], "outputs": [{"id": "out", "axes": axes}],
        "weights": {
            "pytorch_state_dict": {
                "source": "weights.pt",
                "architecture": {"source": "net.py", "callable": "make", "kwargs": {"width": 3}},
            }
        },
    }  # fmt: skip
    (folder / "rdf.yaml").write_text(json.dumps(description | changes))
    return folder


def test_architectures_are_run_when_allowed(tmp_path) -> None:
    pytest.importorskip("yaml")
    conv = torch.nn.Conv2d
    network = torch.nn.Sequential(conv(1, 3, 3, padding=1), conv(3, 1, 1))
    package = write_package(tmp_path / "package", network)
    with pytest.raises(ValueError, match="its architecture is Python code, which allow_code=True"):
        pyengine.build(package, tmp_path / "x.pyengine", SHAPE)
    pyengine.build(package, tmp_path / "x.pyengine", SHAPE, allow_code=True)
    same_as_module(tmp_path / "x.pyengine", network)
    assert pyengine.Engine(tmp_path / "x.pyengine").info.activation == "none"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format_version": "0.3.2"}, "formats 0.4 and 0.5 are read"),
        ({"inputs": [{"id": "raw", "axes": "bczyx"}]}, "inputs have three dimensions"),
        ({"inputs": [{"id": "raw", "axes": "byx"}]}, "inputs have axes 'byx'"),
        ({"outputs": [{"id": "a", "axes": "bcyx"}] * 2}, "2 outputs"),
        (
            {"outputs": [{"axes": "bcyx", "postprocessing": [{"id": "scale_range"}]}]},
            "postprocessing 'scale_range' is none",
        ),
    ],
)
def test_packages_that_are_not_read_say_why(tmp_path, changes, words) -> None:
    pytest.importorskip("yaml")
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.Conv2d(3, 1, 1))
    package = write_package(tmp_path / "package", network, **changes)
    with pytest.raises(ValueError, match=words):
        pyengine.build(package, tmp_path / "x.pyengine", SHAPE, allow_code=True)


# ---- MONAI, Keras, and networks of libraries ------------------------------------------------------


def write_bundle(folder: Path, network: torch.nn.Module, definition: Any) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    image = {"num_channels": 1, "spatial_shape": ["16*n", "16*n"]}
    labels = {"channel_def": {"0": "background", "1": "nucleus"}}
    formats = {"inputs": {"image": image}, "outputs": {"pred": labels}}
    metadata = {"name": "nuclei", "version": "1.0", "network_data_format": formats}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    transforms = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 255,
         "b_min": 0.0, "b_max": 1.0, "clip": True},
        {"_target_": "NormalizeIntensityd", "keys": "image", "channel_wise": True},
    ]  # fmt: skip
    config = {"channels": 1, "network_def": definition,
              "preprocessing": {"_target_": "Compose", "transforms": transforms}}  # fmt: skip
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    return folder


def test_a_monai_bundle(tmp_path) -> None:
    nets = pytest.importorskip("monai.networks.nets")
    torch.manual_seed(0)
    arguments = {
        "spatial_dims": 2, "in_channels": 1, "out_channels": 2, "channels": [4, 8],
        "strides": [2], "norm": "batch",
    }  # fmt: skip
    network = nets.UNet(**arguments).eval()
    definition = {"_target_": "UNet", **arguments, "in_channels": "@channels"}
    bundle = write_bundle(tmp_path / "bundle", network, definition)
    for source in (bundle, Path(shutil.make_archive(str(tmp_path / "b"), "zip", bundle))):
        pyengine.build(source, tmp_path / "x.pyengine")
        info = pyengine.Engine(tmp_path / "x.pyengine").info
        assert info.classes == ("background", "nucleus")
        names = [step["name"] for step in info.input["preprocessing"]]
        assert names == ["scale_linear", "clip", "zero_mean_unit_variance"]
    write_bundle(tmp_path / "code", network, {"_target_": "UNet", "in_channels": "$1"})
    with pytest.raises(ValueError, match="is Python code, which allow_code=True runs"):
        pyengine.build(tmp_path / "code", tmp_path / "x.pyengine")
    write_bundle(tmp_path / "evil", network, {"_target_": "os.system"})
    with pytest.raises(ValueError, match=r"'os\.system' is no network of MONAI's"):
        pyengine.build(tmp_path / "evil", tmp_path / "x.pyengine")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_keras_models(tmp_path, suffix, monkeypatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layers = keras.layers
    image = keras.Input((32, 48, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(4, 3, padding="same")(x)
    model = keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))
    model.save(tmp_path / f"net{suffix}")
    loaded = load_source(tmp_path / f"net{suffix}", None)
    assert loaded.sample_shape == (1, 1, 32, 48)
    pyengine.build(tmp_path / f"net{suffix}", tmp_path / "x.pyengine")
    engine = pyengine.Engine(tmp_path / "x.pyengine")
    pixels = np.random.default_rng(0).standard_normal((1, 1, 32, 48), dtype=np.float32)
    want = keras.ops.convert_to_numpy(model(pixels.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(engine.run(pixels), want, atol=1e-5)


def imported(name: str) -> Any:
    """A library that torchvision may keep from loading, where it is of another PyTorch."""
    try:
        return __import__(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{name} does not load: {error}")


def test_networks_of_segmentation_models_pytorch(tmp_path) -> None:
    smp = imported("segmentation_models_pytorch")
    torch.manual_seed(0)
    network = smp.Unet("resnet18", encoder_weights=None, in_channels=1, classes=2).eval()
    report = pyengine.build(network, tmp_path / "x.pyengine", (1, 1, 64, 64))
    assert report.passed
    torch.save(network.state_dict(), tmp_path / "w.pth")
    arguments = {
        "encoder_name": "resnet18", "encoder_weights": None, "in_channels": 1, "classes": 2,
    }  # fmt: skip
    pyengine.build(
        tmp_path / "w.pth", tmp_path / "y.pyengine", (1, 1, 64, 64),
        module="segmentation_models_pytorch:Unet", arguments=arguments,
    )  # fmt: skip
    hashes = [pyengine.Engine(tmp_path / f"{n}.pyengine").info.manifest["sha256"] for n in "xy"]
    assert hashes[0] == hashes[1]


def test_backbones_of_timm(tmp_path) -> None:
    timm = imported("timm")
    torch.manual_seed(0)
    network = timm.create_model("resnet18", pretrained=False, in_chans=1, num_classes=3).eval()
    report = pyengine.build(network, tmp_path / "x.pyengine", (1, 1, 64, 64))
    assert report.passed
    assert pyengine.Engine(tmp_path / "x.pyengine").info.task == "classification"


# ---- export ---------------------------------------------------------------------------------------


def exported(folder: Path, steps: list[dict], dtype: str = "float32") -> tuple[Path, Path]:
    """An engine of two channels with that preprocessing, and its package."""
    from pyengine.cli import main

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Upsample(scale_factor=2), torch.nn.Conv2d(4, 1, 1),
    )  # fmt: skip
    path, package = folder / "x.pyengine", folder / "package.zip"
    pyengine.build(
        network, path, (1, 2, 32, 48), preprocessing=steps, activation="sigmoid", input_dtype=dtype
    )
    assert main(["export", str(path), "-o", str(package)]) == 0
    return path, package


# bioimageio.core measures what it was given, whatever step comes before.
MEASURED_FIRST = [
    {"name": "zero_mean_unit_variance", "axes": ["y", "x"]},
    {"name": "scale_linear", "gain": [2.0, 3.0], "offset": 0.5},
    {"name": "clip", "min": -2.0, "max": 2.5},
]
# It also takes 1e-6 for any eps, so that the trace of the scale in eps has to be small here.
SCALE_FIRST = [
    {"name": "scale_linear", "gain": 1 / 16, "offset": 0.5},
    {"name": "zero_mean_unit_variance", "axes": ["channel", "y", "x"]},
]


@pytest.mark.parametrize("steps", [MEASURED_FIRST, SCALE_FIRST])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_an_engine_becomes_a_package_that_bioimageio_runs(tmp_path, dtype, steps) -> None:
    core = pytest.importorskip("bioimageio.core")
    _, package = exported(tmp_path, steps, dtype)
    summary = core.test_model(package)
    told = summary.format()
    if "package_file_descr_serializer" in told:
        pytest.skip("bioimageio.spec does not describe anything with this pydantic")
    assert "Reproduce test outputs" in told
    assert summary.status == "passed", told


@pytest.mark.parametrize("steps", [MEASURED_FIRST, SCALE_FIRST])
def test_a_package_becomes_the_same_engine(tmp_path, steps) -> None:
    path, package = exported(tmp_path, steps)
    back = tmp_path / "back.pyengine"
    pyengine.build(package, back)
    image = np.random.default_rng(0).integers(0, 255, (70, 52, 2)).astype(np.float32)
    np.testing.assert_allclose(
        pyengine.Engine(back).segment(image, output="logits"),
        pyengine.Engine(path).segment(image, output="logits"), atol=1e-4,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"a package is a \.zip file"):
        pyengine.export_package(path, tmp_path / "package.tar")
    with pytest.raises(ValueError, match="name 'net': a package's name has 5 to 128 characters"):
        pyengine.export_package(path, tmp_path / "again.zip", name="net")
    assert not (tmp_path / "again.zip").exists()


def test_a_package_is_valid_by_the_formats_own_description(tmp_path) -> None:
    """Also without the programs that run it; an engine's short name is made long enough."""
    spec = pytest.importorskip("bioimageio.spec")
    _, package = exported(tmp_path, MEASURED_FIRST)
    model = spec.load_description(package, format_version="latest")
    if "package_file_descr_serializer" in model.validation_summary.format():
        pytest.skip("bioimageio.spec does not describe anything with this pydantic")
    assert not isinstance(model, spec.InvalidDescr), model.validation_summary.format()
    assert model.validation_summary.status in ("passed", "valid-format")
    assert model.name == "network x"
    assert [step.id for step in model.inputs[0].preprocessing] == [
        "ensure_dtype", "zero_mean_unit_variance", "scale_linear", "clip", "ensure_dtype",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "first",
    [
        {"name": "clip", "min": 0.0}, {"name": "scale_linear", "gain": [1.0, 2.0]},
        {"name": "scale_linear", "gain": 1e-3},  # the format's eps ends at 0.1
    ],
)  # fmt: skip
def test_what_bioimageio_would_measure_elsewhere_is_refused(tmp_path, first) -> None:
    said = f"zero_mean_unit_variance measures what {first['name']} has made of the image"
    steps = [first, {"name": "zero_mean_unit_variance", "eps": 1e-3}]
    path, network = tmp_path / "x.pyengine", torch.nn.Conv2d(2, 1, 1)
    pyengine.build(network, path, (1, 2, 16, 16), preprocessing=steps)
    with pytest.raises(pyengine.UnsupportedError, match=said):
        pyengine.export_package(path, tmp_path / "package.zip")
    assert not (tmp_path / "package.zip").exists()
