"""Other runtimes behind one call, each at its best known float32 setting."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Network:
    """One set of weights in the forms that the runtimes read.

    Attributes
    ----------
    module : torch.nn.Module
        In evaluation mode.
    onnx : Path
        The same, for inputs of `shape`.
    shape : tuple of int
        (1, C, H, W)
    folder : Path
        For converted files.
    """

    module: Any
    onnx: Path
    shape: tuple[int, int, int, int]
    folder: Path


@dataclass(frozen=True)
class Peer:
    """A runtime with the network loaded: (1, C, H, W) float32 to (1, K, H', W') float32."""

    name: str
    run: Run


def export(module: Any, shape: tuple[int, int, int, int], folder: Path) -> Network:
    """Write the module as ONNX, batch norm folded by whoever reads it."""
    import torch

    path = folder / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(shape),), str(path), dynamo=False, opset_version=17,
                          input_names=["image"], output_names=["output"])  # fmt: skip
    return Network(module, path, shape, folder)


def peers(network: Network, threads: int, wanted: list[str] | None = None) -> Iterator[Peer | str]:
    """All runtimes that are installed; of the others, a line that says what is missing."""
    for name, load in LOADERS.items():
        if wanted and name not in wanted:
            continue
        try:
            yield Peer(name, load(network, threads))
        except (ImportError, FileNotFoundError) as error:
            yield f"{name}: skipped, not installed ({error})"
        except (RuntimeError, subprocess.CalledProcessError) as error:
            yield f"{name}: skipped, does not run here ({str(error).splitlines()[0]})"


def _onnxruntime(network: Network, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        str(network.onnx), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"image": x})[0]


def _openvino(network: Network, threads: int, precision: str = "f32") -> Run:
    import openvino

    # Machines with bfloat16 or float16 units would round to them unasked.
    compiled = openvino.Core().compile_model(
        str(network.onnx), "CPU",
        {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision},
    )  # fmt: skip
    request = compiled.create_infer_request()
    return lambda x: request.infer({0: x}, share_inputs=True, share_outputs=False)[0]


def _openvino_bf16(network: Network, threads: int) -> Run:
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise RuntimeError("no bfloat16 units")
    return _openvino(network, threads, "bf16")


def _ncnn(network: Network, threads: int) -> Run:
    import ncnn
    import pnnx
    import torch

    trace = network.folder / "network.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing fixes sizes, which is what is wanted here
        torch.jit.trace(network.module, torch.zeros(network.shape)).save(str(trace))
    shape = "[" + ",".join(map(str, network.shape)) + "]"
    program = Path(pnnx.__file__).parent / "pnnx"
    subprocess.run(
        [str(program), trace.name, f"inputshape={shape}", "fp16=0"],
        cwd=network.folder, check=True, capture_output=True,
    )  # fmt: skip
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    if net.load_param(str(network.folder / "network.ncnn.param")) != 0:
        raise RuntimeError("ncnn cannot load the converted network")
    net.load_model(str(network.folder / "network.ncnn.bin"))

    def run(x: np.ndarray) -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(x[0]))
        _, out = extractor.extract("out0")
        return np.array(out)[None]

    return run


def _mnn(network: Network, threads: int) -> Run:
    import MNN

    target = network.folder / "network.mnn"
    # What the command `mnnconvert` calls; the command itself also installs a package to report its
    # use, which takes protobuf back to a version that onnx does not load.
    subprocess.run(
        [sys.executable, "-c", "import sys, _tools; _tools.mnnconvert(sys.argv)",
         "-f", "ONNX", "--modelFile", str(network.onnx), "--MNNModel", str(target), "--bizCode", "pyengine"],
        check=True, capture_output=True,
    )  # fmt: skip
    manager = MNN.nn.create_runtime_manager(
        ({"backend": "CPU", "numThread": threads, "precision": "high"},)
    )
    module = MNN.nn.load_module_from_file(
        str(target), ["image"], ["output"], runtime_manager=manager
    )

    def run(x: np.ndarray) -> np.ndarray:
        image = MNN.expr.placeholder(list(x.shape), MNN.expr.NCHW)
        image.write(x)
        out = MNN.expr.convert(module.forward([image])[0], MNN.expr.NCHW)
        return np.array(out.read(), np.float32).reshape(out.shape)

    return run


def _torch(network: Network, threads: int) -> Run:
    import torch

    torch.set_num_threads(threads)

    @torch.inference_mode()
    def run(x: np.ndarray) -> np.ndarray:
        return network.module(torch.from_numpy(x)).numpy()

    return run


def _torch_channels_last(network: Network, threads: int) -> Run:
    import copy

    import torch

    torch.set_num_threads(threads)
    module = copy.deepcopy(network.module).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(x: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(x).contiguous(memory_format=torch.channels_last)
        return module(image).contiguous().numpy()

    return run


def _torch_compile(network: Network, threads: int) -> Run:
    import copy

    import torch
    import torch._inductor.config as inductor

    torch.set_num_threads(threads)
    inductor.freezing = True
    module = torch.compile(copy.deepcopy(network.module))

    def run(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(x)).numpy()

    run(np.zeros(network.shape, np.float32))  # compile, or fail, here
    return run


LOADERS: dict[str, Callable[[Network, int], Run]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "openvino bf16": _openvino_bf16,
    "ncnn": _ncnn,
    "mnn": _mnn,
    "torch": _torch,
    "torch channels_last": _torch_channels_last,
    "torch compile": _torch_compile,
}
