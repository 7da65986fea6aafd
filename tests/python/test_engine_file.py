"""The engine file: readable by standard tools, refused when anything is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn

import pyengine
from pyengine.builder.container import serialize, sha256


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A network of two convolutions, with its ONNX."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("file") / "small.pyengine"
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    pyengine.build(
        net, path, sample_shape=(1, 1, 16, 16), classes=["a", "b"], store_onnx=True,
        preprocessing=[{"name": "scale_linear", "gain": [0.5], "offset": [1]}],
        provenance={"training_data": "none", "ünïcode": "→"},
    )  # fmt: skip
    return path


def parts(path: Path) -> tuple[dict, str, dict[str, np.ndarray]]:
    with safe_open(path, "numpy") as file:
        meta = file.metadata()
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    return json.loads(meta["manifest"]), meta["graph"], tensors


def test_safetensors_reads_it(small: Path) -> None:
    manifest, graph, tensors = parts(small)
    assert manifest["provenance"]["ünïcode"] == "→"
    assert manifest["halo"] == 1
    assert json.loads(graph)["nodes"][0]["op"] == "conv2d"
    assert tensors["source.onnx"].dtype == np.uint8
    import onnx

    onnx.checker.check_model(onnx.load_from_string(tensors["source.onnx"].tobytes()))


def test_every_tensor_starts_aligned_for_mapping(small: Path) -> None:
    data = small.read_bytes()
    header = int.from_bytes(data[:8], "little")
    assert (8 + header) % 64 == 0


def test_float16_weights_halve_the_file_and_compute_in_float32(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.Conv2d(64, 2, 1))
    full, half = tmp_path / "full.pyengine", tmp_path / "half.pyengine"
    pyengine.build(net, full, sample_shape=(1, 1, 16, 16))
    report = pyengine.build(net, half, sample_shape=(1, 1, 16, 16), weights="float16")
    assert half.stat().st_size < 0.6 * full.stat().st_size
    assert 0 < report.relative_error < 1e-2
    x = np.random.default_rng(0).standard_normal((1, 1, 16, 16), dtype=np.float32)
    net = net.half().float()
    with torch.inference_mode():
        want = net(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(pyengine.Engine(half).run(x), want, atol=1e-4 * np.ptp(want))


def refused(path: Path, data: bytes, word: str = "") -> str:
    path.write_bytes(data)
    with pytest.raises(
        (pyengine.EngineFileError, pyengine.UnsupportedError, ValueError, OSError)
    ) as caught:
        pyengine.Engine(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert word in text, text
    return text


def test_weights_that_layers_share_are_stored_once(tmp_path: Path) -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(1, 8, 3, padding=1)
            self.again = torch.nn.Conv2d(8, 8, 3, padding=1)
            self.norm = torch.nn.BatchNorm2d(8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x).relu()
            for _ in range(3):
                x = self.norm(self.again(x)).relu()
            return x

    torch.manual_seed(0)
    net = Twice().eval()
    net.norm.running_mean.uniform_(-1, 1)  # batch norm must fold into the shared weights once
    pyengine.build(net, tmp_path / "x.pyengine", sample_shape=(1, 1, 16, 16))
    engine = pyengine.Engine(tmp_path / "x.pyengine")
    assert engine.info.parameters == 8 * 9 + 8 + 8 * 8 * 9 + 8
    with safe_open(tmp_path / "x.pyengine", "np") as file:
        stored = sum(file.get_tensor(key).size for key in file.keys())  # noqa: SIM118
    assert stored == engine.info.parameters
    x = np.random.default_rng(0).standard_normal((1, 1, 20, 24), dtype=np.float32)
    with torch.inference_mode():
        want = net(torch.from_numpy(x)).numpy()
    assert np.abs(engine.run(x) - want).max() < 1e-5 * np.abs(want).max()


def test_truncation_anywhere_is_refused(small: Path, tmp_path: Path) -> None:
    data = small.read_bytes()
    for size in [*range(0, 64), *range(64, len(data), 97), len(data) - 1]:
        refused(tmp_path / "x.pyengine", data[:size])


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255), header=st.booleans())
def test_any_altered_byte_is_refused_or_harmless(small, tmp_path, where, bits, header) -> None:
    """Every byte is covered by a hash or by the container's rules, but for padding spaces."""
    data = bytearray(small.read_bytes())
    end = 8 + int.from_bytes(data[:8], "little") if header else len(data)
    at = int(where * end)
    data[at] ^= bits
    path = tmp_path / "x.pyengine"
    path.write_bytes(data)
    try:
        engine = pyengine.Engine(path)
    except (pyengine.EngineFileError, pyengine.UnsupportedError, OSError) as error:
        assert str(path) in str(error)
    else:
        # What may change without notice carries no meaning: blanks of the JSON header.
        original = pyengine.Engine(small)
        assert engine.info.manifest == original.info.manifest
        x = np.ones((1, 1, 8, 8), np.float32)
        np.testing.assert_array_equal(engine.run(x), original.run(x))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=400), prefix=st.sampled_from([b"", b"\x40" + bytes(7), b"\xff" * 8]))
def test_random_bytes_are_refused(tmp_path, data, prefix) -> None:
    refused(tmp_path / "x.pyengine", prefix + data)


def forge(path: Path, small: Path, **changes: Any) -> Path:
    """A file whose hashes are right but whose content is not: what a hostile author would write."""
    manifest, graph, tensors = parts(small)
    edit = changes.pop("manifest", None)
    if edit:
        edit(manifest)
    graph_edit = changes.pop("graph", None)
    if graph_edit:
        tree = json.loads(graph)
        graph_edit(tree)
        graph = json.dumps(tree)
    tensor_edit = changes.pop("tensors", None)
    if tensor_edit:
        tensor_edit(tensors)
    manifest.pop("sha256")
    path.write_bytes(serialize(manifest, graph, tensors))
    return path


FORGERIES: dict[str, tuple[dict[str, Any], str]] = {
    "halo": ({"manifest": lambda m: m.update(halo=7)}, "halo"),
    "alignment": ({"manifest": lambda m: m.update(alignment=2)}, "alignment"),
    "task": ({"manifest": lambda m: m.update(task="dance")}, "manifest.task"),
    "classes": ({"manifest": lambda m: m["classes"].pop()}, "manifest.classes"),
    "color": ({"manifest": lambda m: m["classes"][0].update(color=[1, 2, 300])}, "color"),
    "channels": ({"manifest": lambda m: m["input"].update(channels=2)}, "channels"),
    "preprocessing": (
        {"manifest": lambda m: m["input"].update(preprocessing=[{"name": "magic"}])}, "magic"),
    "std 0": (
        {"manifest": lambda m: m["input"].update(
            preprocessing=[{"name": "fixed_zero_mean_unit_variance", "mean": [0], "std": [0]}])},
        "std"),
    "head": ({"manifest": lambda m: m["head"].update(activation="argmax")}, "activation"),
    "missing field": ({"manifest": lambda m: m.pop("head")}, "head"),
    "sample size": (
        {"manifest": lambda m: m["input"].update(sample_size_px=[1 << 40, 4])}, "sample_size_px"),
    "tiny sample": ({"manifest": lambda m: m["input"].update(sample_size_px=[1, 1])}, "too small"),
    "unknown op": ({"graph": lambda g: g["nodes"][0].update(op="explode")}, "explode"),
    "kernel": ({"graph": lambda g: g["nodes"][0].update(kernel=[0, 3])}, "kernel"),
    "huge kernel": ({"graph": lambda g: g["nodes"][0].update(kernel=[10**9, 3])}, "kernel"),
    "stride": ({"graph": lambda g: g["nodes"][0].update(stride=[-1, 1])}, "stride"),
    "groups": ({"graph": lambda g: g["nodes"][0].update(groups=3)}, "groups"),
    "amounts": ({"graph": lambda g: g["nodes"][0].update(amounts=[-5, 0, 0, 0])}, "amounts"),
    "out channels": ({"graph": lambda g: g["nodes"][0].update(out_channels=5)}, "channels"),
    "reflection beyond the image": (
        {"graph": lambda g: g["nodes"][0].update(border="reflect", amounts=[0, 99, 0, 0])},
        "reflection"),
    "pool of nothing": (
        {"graph": lambda g: g["nodes"].insert(1, {
            "op": "max_pool", "name": "p", "inputs": [g["nodes"][0]["output"]], "output": "p",
            "kernel": [2, 2], "amounts": [2, 0, 0, 0]})}, "smaller than the kernel"),
    "undefined tensor": ({"graph": lambda g: g["nodes"][0].update(inputs=["?"])}, "produced"),
    "cycle": (
        {"graph": lambda g: g["nodes"][0].update(inputs=[g["nodes"][1]["output"]])}, "produced"),
    "twice": (
        {"graph": lambda g: g["nodes"][1].update(output=g["nodes"][0]["output"])}, "twice"),
    "no output": ({"graph": lambda g: g.update(output="nowhere")}, "nowhere"),
    "missing weight": ({"tensors": lambda t: t.pop(next(k for k in t if "weight" in k))}, "weight"),
    "NaN weight": ({"tensors": lambda t: t[next(k for k in t if "weight" in k)].fill(np.nan)}, "NaN"),
    "weight shape": (
        {"tensors": lambda t: t.update(
            {k: v.reshape(-1) for k, v in t.items() if "weight" in k})}, "shape"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_content_with_right_hashes_is_refused(name, small, tmp_path) -> None:
    changes, word = FORGERIES[name]
    path = forge(tmp_path / "x.pyengine", small, **changes)
    refused(path, path.read_bytes(), word)


def container(header: dict, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_other_versions_and_formats_are_named(small: Path, tmp_path: Path) -> None:
    manifest, graph, tensors = parts(small)
    manifest.pop("sha256")
    data = serialize(manifest, graph, tensors)
    future = data.replace(b'"format_version":"1"', b'"format_version":"3"')
    text = refused(tmp_path / "x.pyengine", future, "format_version")
    assert "'3'" in text
    refused(tmp_path / "x.pyengine", container({"__metadata__": {"format": "pt"}}), "format")
    refused(tmp_path / "x.pyengine", data + b"\0", "after the last tensor")
    refused(tmp_path / "x.pyengine", (10**15).to_bytes(8, "little") + data[8:], "header length")
    refused(tmp_path / "x.pyengine", container({"a": [[[[]]]] * 3}), "__metadata__")
    deep = b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}"
    refused(tmp_path / "x.pyengine", len(deep).to_bytes(8, "little") + deep, "nested")


def test_altered_parts_are_named(small: Path, tmp_path: Path) -> None:
    data = bytearray(small.read_bytes())
    data[-1] ^= 1
    refused(tmp_path / "x.pyengine", bytes(data), "SHA-256")
    text = small.read_bytes().replace(b"none", b"some")
    refused(tmp_path / "x.pyengine", text, "manifest: SHA-256")


def test_the_hash_is_sha256() -> None:
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_special_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=str(tmp_path)):
        pyengine.Engine(tmp_path)
    with pytest.raises(FileNotFoundError, match="em-membranes"):
        pyengine.Engine("no-such-engine")
