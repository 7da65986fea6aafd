"""Latency on a GPU: this engine, torch, MONAI and onnxruntime, on the same weights and images.

By wall clock, from uint8 pixels in host memory to uint8 labels in host memory, and by CUDA events
(pycuda), from an image to labels that both lie on the GPU. Skipped, with the reason, where no GPU
can run plans.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch

import pyengine
from train.models import UNet, UNetConfig

USABLE = [
    s for s in pyengine.executors() if s.name != "cpu" and not s.why_not and not s.why_no_build
]
pytestmark = pytest.mark.skipif(
    not USABLE, reason="no GPU here runs TensorRT plans; see pyengine info --executors"
)

# NVIDIA's example network: U-Net of base 64 on ISBI 2012, valid convolutions, 572 x 572 in.
BASE_WIDTH = 64
SIZES = [(496, 768), (512, 512), (388, 388), (2048, 2048), (8192, 8192)]
BATCHES = [1, 2, 4, 8, 16]
IDLE_GAP_S = 0.05


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(BASE_WIDTH)
    return UNet(UNetConfig(base_width=BASE_WIDTH, depth=4, padding="valid")).eval()


@pytest.fixture(scope="module")
def path(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "unet.pyengine"
    pyengine.build(network, path, sample_shape=(1, 1, 572, 572))
    pyengine.build_plan(path, executor=USABLE[0].name, tile=1024, batch_size=16)
    return path


@pytest.fixture(scope="module")
def on_gpu(path):
    return pyengine.Engine(path, device="cuda")


def image_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_image_to_labels(timed, on_gpu, size):
    image = image_of(*size)
    timed(lambda: on_gpu.segment(image), pixels=image.size)


def test_after_idle_gaps(timed, on_gpu):
    image = image_of(496, 768)
    timed(
        lambda: on_gpu.segment(image), pixels=image.size, rounds=100,
        setup=lambda: time.sleep(IDLE_GAP_S),
    )  # fmt: skip


def test_open_and_first_image(timed, path):
    image = image_of(512, 512)
    timed(lambda: pyengine.Engine(path, device="cuda").segment(image), pixels=image.size, rounds=10)


@pytest.mark.parametrize("batch", BATCHES)
def test_network_on_batches(timed, on_gpu, batch):
    """The network itself, 572 x 572 in, float32 in host memory on both sides."""
    inputs = np.random.default_rng(0).standard_normal((batch, 1, 572, 572), np.float32)
    timed(lambda: on_gpu.run(inputs), pixels=batch * 388 * 388)


@pytest.mark.parametrize("size", SIZES[:4])
def test_on_the_device_by_events(benchmark, on_gpu, size):
    """Gather, network and scatter alone: between two events on one stream."""
    driver = pytest.importorskip("pycuda.driver")
    pytest.importorskip("pycuda.autoprimaryctx")
    array = pytest.importorskip("pycuda.gpuarray")
    stream = driver.Stream()
    image = array.to_gpu(image_of(*size))
    labels = array.empty(size, np.uint8)
    begin, end = driver.Event(), driver.Event()
    milliseconds = []

    def run() -> None:
        begin.record(stream)
        on_gpu.segment(image, out=labels, stream=stream.handle)
        end.record(stream)
        end.synchronize()
        milliseconds.append(begin.time_till(end))

    benchmark.pedantic(run, rounds=200, warmup_rounds=20)
    kept = np.array(milliseconds[20:])
    benchmark.extra_info |= {
        "gpu": on_gpu.info.gpu,
        **{f"event_p{q}_ms": float(np.percentile(kept, q)) for q in (50, 95, 99)},
        "event_max_ms": float(kept.max()),
    }


@pytest.mark.parametrize("how", ["eager", "channels_last", "compile"])
@pytest.mark.parametrize("batch", BATCHES)
def test_torch_fp16(timed, network, how, batch):
    """What a user would write: FP16, the input in host memory, labels back."""
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    net = network.half().cuda()
    if how == "channels_last":
        net = net.to(memory_format=torch.channels_last)
    if how == "compile":
        net = torch.compile(net, mode="max-autotune")
    inputs = torch.randn(batch, 1, 572, 572).pin_memory()

    def run() -> None:
        with torch.inference_mode():
            x = inputs.cuda(non_blocking=True).half()
            if how == "channels_last":
                x = x.to(memory_format=torch.channels_last)
            net(x).argmax(1).to(torch.uint8).cpu()

    timed(run, pixels=batch * 388 * 388)
    network.float().cpu()


@pytest.mark.parametrize("size", [(2048, 2048), (8192, 8192)])
def test_monai_sliding_window_fp16(timed, network, size):
    inferers = pytest.importorskip("monai.inferers")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    net = network.half().cuda()
    image = torch.from_numpy(image_of(*size))
    margin = 92  # valid convolutions: MONAI wants outputs of the windows' size

    def predict(x: torch.Tensor) -> torch.Tensor:
        return net(torch.nn.functional.pad(x, [margin] * 4, mode="reflect"))

    def run() -> None:
        with torch.inference_mode():
            x = image.cuda().half()[None, None]
            logits = inferers.sliding_window_inference(x, 388, 8, predict, overlap=0.25)
            logits.argmax(1).to(torch.uint8).cpu()

    timed(run, pixels=image.numel(), rounds=10)
    network.float().cpu()


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "TensorrtExecutionProvider"])
@pytest.mark.parametrize("batch", BATCHES)
def test_onnxruntime(timed, network, provider, batch, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    if provider not in onnxruntime.get_available_providers():
        pytest.skip(f"this onnxruntime has no {provider}")
    model = tmp_path / "net.onnx"
    example = torch.zeros(batch, 1, 572, 572)
    torch.onnx.export(network, (example,), model, dynamo=False, input_names=["x"])
    options = {"trt_fp16_enable": True} if provider.startswith("Tensorrt") else {}
    session = onnxruntime.InferenceSession(str(model), providers=[(provider, options)])
    inputs = np.random.default_rng(0).standard_normal(example.shape, np.float32)
    timed(lambda: session.run(None, {"x": inputs})[0].argmax(1), pixels=batch * 388 * 388)
