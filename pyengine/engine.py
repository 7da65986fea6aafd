"""The engine: opens a file, segments images of any size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.arguments import (
    ACCURACIES,
    AUGMENTATIONS,
    MODES,
    ON_MISMATCH,
    OUTPUTS,
    PADDINGS,
    Accuracy,
    Augmentation,
    Mode,
    OnMismatch,
    Output,
    PaddingMode,
    choice,
    flag,
    number,
    positive,
    tile_sides,
)
from pyengine.checks import check_batch, check_image
from pyengine.device_array import DeviceArray, check_result, on_device, view_of
from pyengine.executor_status import library_folders
from pyengine.info import Classification, EngineInfo, LayerTime, TilePlan, read_info
from pyengine.progress import Progress, progress_callback
from pyengine.segment_batch import segment_batch
from pyengine.segment_file import segment_file
from pyengine.shipped import resolve

Network = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


class Engine:
    """A network, ready to run. Safe to share between threads.

    A process forked while no call ran (`multiprocessing` with "fork") may use its parent's engine
    on the CPU: it starts worker threads of its own.

    Parameters
    ----------
    path_or_name : str or path
        A ``*.pyengine`` file, or the name of an engine that ships (see `pyengine.engines`).
    device : {"auto", "cpu"} or "cuda[:N]"
        Where to run. "cuda" needs a TensorRT plan in the file that fits that GPU; see
        `build_plan`. "auto" takes the first GPU if there is such a plan, else the CPU.
    executor : {"auto", "cpu"} or callable
        What computes the network. A callable gets (N, C, H, W) float32 and returns the source
        network's output (N, K, H', W'), so that onnxruntime or torch run behind the same tiler.
    threads : int, optional
        Threads of one call, the calling one included. Default: every core that affinity and CPU
        limits (of a container, say) leave to the process; hardware threads of one core count once.
    accuracy : {"default", "fast"}
        "default" rounds about as much as any float32 convolution. "fast" rounds more in 3x3 layers:
        by larger blocks (F(6x6) instead of F(4x4)) where there are fewer than 256 channels, a few
        times as much; on a processor with AMX by products of numbers split into two bfloat16, tens
        of times as much. Results are exact over tiles either way.
    pin_threads : bool
        Worker threads stay on one core each; the calling thread is left alone. For machines that
        nothing else uses.
    on_mismatch : {"raise", "rebuild", "cpu"}
        Where no plan fits the GPU that `device` names: refuse, naming what differs; build one for
        this run from the network stored beside a plan, which takes seconds; or run on the CPU.

    Raises
    ------
    FileNotFoundError
        No such file or shipped engine.
    EngineFileError
        The file is damaged, altered or of a later version; the message names the field.
    UnsupportedError
        The network or device cannot be run here.
    ValueError
        A bad argument.

    Examples
    --------
    >>> engine = Engine("em-membranes")
    >>> engine.info.classes
    ('interior', 'membrane')
    """

    def __init__(
        self,
        path_or_name: str | os.PathLike[str],
        device: str = "auto",
        executor: str | Network = "auto",
        threads: int | None = None,
        accuracy: Accuracy = "default",
        pin_threads: bool = False,
        on_mismatch: OnMismatch = "raise",
    ) -> None:
        if not callable(executor) and executor not in ("auto", "cpu"):
            raise ValueError(
                f"executor {executor!r} is not 'auto', 'cpu' or a callable; for TensorRT say "
                "device='cuda'"
            )
        if not isinstance(device, str):
            raise TypeError(f"device must be a word such as 'cpu' or 'cuda:0', got {device!r}")
        fast = choice("accuracy", accuracy, ACCURACIES) == ACCURACIES.index("fast")
        if fast and callable(executor):
            raise ValueError("accuracy='fast' belongs to the CPU engine, not to a callable")
        mismatch = choice("on_mismatch", on_mismatch, ON_MISMATCH)
        path = resolve(path_or_name)
        head: dict[str, Any] = {}  # known once the file is open, used once the network runs
        network = _logits_of(executor, head) if callable(executor) else None
        if callable(executor) or executor == "cpu":
            if device not in ("auto", "cpu"):
                raise ValueError(f"device {device!r}: executor {executor!r} runs on the CPU")
            device = "cpu"
        folders = [] if device == "cpu" else library_folders()
        self._core = _core.Engine(
            str(path), positive("threads", threads), "", network, fast,
            flag("pin_threads", pin_threads), device, mismatch, folders,
        )  # fmt: skip
        self._info = read_info(self._core.info(), str(path), callable(executor))
        head.update(self._info.manifest["head"])

    @property
    def info(self) -> EngineInfo:
        """What the engine file says of itself; immutable."""
        return self._info

    def __repr__(self) -> str:
        i = self._info
        return (
            f"Engine({i.path!r}, {i.task}, {i.input['channels']} channel(s) -> {list(i.classes)}, "
            f"{i.parameters:,} parameters, {i.device}/{i.gpu or i.isa}, {i.threads} thread(s))"
        )

    def plan(
        self,
        height: int,
        width: int,
        tile: int | tuple[int, int] | None = None,
        batch_size: int | None = None,
        max_memory: int | None = None,
    ) -> TilePlan:
        """How an image of `height` x `width` pixels would be cut; see `segment`."""
        tile_h, tile_w = tile_sides(tile)
        plan = self._core.plan(
            positive("height", height), positive("width", width), tile_h, tile_w,
            positive("batch_size", batch_size), positive("max_memory", max_memory),
        )  # fmt: skip
        return TilePlan(**plan)

    def segment(
        self,
        image: npt.NDArray[Any],
        tile: int | tuple[int, int] | None = None,
        batch_size: int | None = None,
        output: Output = "labels",
        max_memory: int | None = None,
        progress: Progress = False,
        mode: Mode = "exact",
        overlap: float = 0.25,
        padding_mode: PaddingMode = "reflect",
        out: Any = None,
        stream: int | None = None,
        one_thread: bool = False,
        tta: Augmentation = "none",
    ) -> Any:
        """Segment one image of any size, as if in one piece.

        Parameters
        ----------
        image : array of uint8, uint16 or float32, shape (H, W) or (H, W, C)
            Any strides; never modified. Values are taken as numbers, on the scale the network
            was trained with, whatever the dtype. A numpy array, or, for an engine on a GPU, an
            array in that GPU's memory (pycuda, CuPy, torch, JAX: all with
            ``__cuda_array_interface__`` or DLPack), which is never copied to the host; NaN and
            infinity are not looked for there.
        tile : int or (int, int), optional
            Output tile in pixels, rounded up to where tiles may begin (the alignment or four times
            it). Default: chosen by a cost model
            under `max_memory`. The result does not depend on it in "exact" mode.
        batch_size : int, optional
            Tiles per network call. Default 1.
        output : {"labels", "probabilities", "logits"}
            What comes back.
        max_memory : int, optional
            Working memory beside image and result, in bytes. Default 1 GiB.
        progress : bool or callable
            True shows a bar; ``callable(done, total)`` is told of tiles and cancels by returning
            False.
        mode : {"exact", "gaussian", "constant"}
            "exact" gives every pixel its full context. The others average the logits of
            overlapping windows, for networks that cannot be tiled exactly.
        overlap : float
            Blending only: fraction of the tile if < 1, else pixels.
        padding_mode : {"reflect", "replicate", "constant"}
            Pixels beyond the image; "constant" is zero after normalisation.
        out : array on the GPU, optional
            For images on the GPU: where results go, dense and of the type and shape below.
        stream : int, optional
            For images on the GPU: the cudaStream_t to work on; the call does not wait for it.
            Default: the one that the image's interface names, else CUDA's default stream.
        one_thread : bool
            On the CPU: the call stays on the caller's thread. For callers that segment one image
            per thread of their own; the result is the same.
        tta : {"none", "flips", "d4"}
            Test-time augmentation: the mean of the logits over the image and its flips (4
            passes), or all its flips and quarter turns (8). Takes as many times as long, and
            two sets of logits of the image in memory. For networks trained on such views.

        Returns
        -------
        ndarray, or DeviceArray for images on the GPU
            Labels: uint8 (H, W). Probabilities in [0, 1] or logits: float32 (K, H, W).

        Raises
        ------
        TypeError
            Not an array of a supported dtype.
        ValueError
            Wrong rank, size or channels, NaN or infinity, or an option out of range.
        UnsupportedError
            The network cannot do this, with the reason.
        CancelledError
            `progress` returned False.

        Notes
        -----
        Overlap-tile strategy of Ronneberger et al. 2015 (section 2): the network applied to the
        mirror-padded image. On the CPU the result is bit for bit that of a single tile.
        """
        if on_device(image):
            if mode != "exact" or progress is not False or tta != "none":
                raise ValueError(
                    "images on the GPU: mode must be 'exact', without progress and tta"
                )
            return self._segment_on_device(
                image, tile, batch_size, output, max_memory, padding_mode, out, stream
            )
        if out is not None or stream is not None:
            raise ValueError("out and stream belong to images on the GPU")
        check_image(image, self._info.input["channels"])
        tile_h, tile_w = tile_sides(tile)
        with progress_callback(progress) as callback:
            return self._core.segment(
                image, choice("output", output, OUTPUTS), tile_h, tile_w,
                positive("batch_size", batch_size), positive("max_memory", max_memory),
                choice("mode", mode, MODES), number("overlap", overlap),
                choice("padding_mode", padding_mode, PADDINGS), callback,
                flag("one_thread", one_thread),
                choice("tta", tta, AUGMENTATIONS),
            )  # fmt: skip

    def _segment_on_device(
        self,
        image: Any,
        tile: int | tuple[int, int] | None,
        batch_size: int | None,
        output: Output,
        max_memory: int | None,
        padding_mode: PaddingMode,
        out: Any,
        stream: int | None,
    ) -> Any:
        kind = choice("output", output, OUTPUTS)
        view = view_of(image, self._info.input["channels"], stream)
        height, width = view.shape[:2]
        labels = output == "labels"
        shape = (height, width) if labels else (self._info.outputs, height, width)
        dtype = np.uint8 if labels else np.float32
        if out is None:
            out = DeviceArray(self._core, shape, dtype, view.stream)
        tile_h, tile_w = tile_sides(tile)
        self._core.segment_on_device(
            view.pointer, view.pixel_type, view.shape, view.strides_bytes, kind,
            check_result(out, shape, dtype, view.stream), view.stream, tile_h, tile_w,
            positive("batch_size", batch_size), positive("max_memory", max_memory),
            choice("padding_mode", padding_mode, PADDINGS),
        )  # fmt: skip
        return out

    def segment_batch(
        self, images: Iterable[npt.NDArray[Any]], **options: Any
    ) -> Iterator[npt.NDArray[Any]]:
        """Segment images, lazily and in order.

        Small images (up to 256 x 256 px) run side by side on the CPU, one thread each, so that a
        few more images are read than results were taken; larger ones one after the other, on all
        threads.

        Parameters
        ----------
        images : iterable of ndarray
            As in `segment`; sizes may differ.
        **options
            As in `segment`. With `progress` every image runs by itself.

        Yields
        ------
        ndarray
            As from `segment`, in the order of the images.
        """
        return segment_batch(self.segment, self._info, images, options)

    def segment_file(
        self,
        src: str | os.PathLike[str],
        dst: str | os.PathLike[str],
        tile: int | tuple[int, int] | None = None,
        batch_size: int | None = None,
        output: Output = "labels",
        max_memory: int | None = None,
        progress: Progress = False,
        padding_mode: PaddingMode = "reflect",
        tta: Augmentation = "none",
    ) -> None:
        """Segment a file into a file, by row bands where the formats allow it.

        Parameters
        ----------
        src : path
            An image, or a stack of images of one size, of any format in `pyengine.formats`. Of
            formats that hold several by name, one is named as in ``file.h5:/name``. What can be
            read by rows (TIFF, NumPy, HDF5) is never read whole.
        dst : path
            The suffix says the format: ``.png`` for the labels of one image, ``.tif``, ``.npy`` or
            ``file.h5:/name`` for all. Complete or absent, even if the run is killed. An older
            file is replaced, but never `src` nor the engine. An HDF5 file keeps what it holds:
            the result is added in a copy, for which the folder needs room, and the copy takes the
            file's place; a name that it holds already is refused.
        tile, batch_size, output, max_memory, progress, padding_mode, tta
            As in `segment`; the mode is "exact". With `tta` each image is read whole.

        Raises
        ------
        OSError
            The file cannot be read or written; FileExistsError where the result would replace a
            folder or a data set.
        ValueError
            The format or the image does not fit, or `dst` is `src`.
        """
        segment_file(
            self._core, self._info, os.fspath(src), os.fspath(dst), tile=tile,
            batch_size=batch_size, output=output, max_memory=max_memory, progress=progress,
            padding_mode=padding_mode, tta=tta,
        )  # fmt: skip

    def classify(self, image: npt.NDArray[Any]) -> Classification:
        """Class of a whole image.

        Parameters
        ----------
        image : ndarray of uint8, uint16 or float32, shape (H, W) or (H, W, C)
            Resized bilinearly to the network's input size if it differs.

        Returns
        -------
        Classification
            Label, index and probabilities.

        Raises
        ------
        TypeError, ValueError
            As in `segment`.
        UnsupportedError
            The engine's task is segmentation.
        """
        if self._info.task != "classification":
            raise _core.UnsupportedError(
                f"this engine's task is {self._info.task}; classify() needs classification"
            )
        check_image(image, self._info.input["channels"])
        from pyengine.preprocess import network_input

        batch = network_input(image, self._info.input)
        scores = self._core.run(batch).reshape(-1)
        if not self._info.manifest["head"]["in_network"]:
            scores = _head(scores[None], self._info.activation)[0]
        if scores.size == 1:  # one sigmoid output tells two classes apart
            scores = np.array([1 - scores[0], scores[0]], np.float32)
        index = int(np.argmax(scores))
        return Classification(self._info.classes[index], index, scores)

    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The network itself: no tiling, no normalisation, its own padding.

        Parameters
        ----------
        batch : ndarray of float32, shape (N, C, H, W)
            Network input.

        Returns
        -------
        ndarray of float32, shape (N, K, H', W')
            What the source network returns (a classifier: H' = W' = 1).

        Raises
        ------
        TypeError, ValueError
            Wrong dtype or shape, or a size the network does not accept.
        """
        check_batch(batch, self._info.input["channels"])
        return self._core.run(np.ascontiguousarray(batch))

    def profile(self, height: int, width: int, passes: int = 10) -> tuple[LayerTime, ...]:
        """Time of each operation of the network on an image in one piece.

        Parameters
        ----------
        height, width : int
            Size of the image in pixels.
        passes : int
            The median of so many counts.

        Returns
        -------
        tuple of LayerTime
            In the order of the graph; empty where the executor does not know.

        Raises
        ------
        ValueError
            A number below 1, or a size the network does not accept.
        """
        sizes = (positive("height", height), positive("width", width), positive("passes", passes))
        return tuple(LayerTime(**row) for row in self._core.profile(*sizes))


def _head(logits: npt.NDArray[np.float32], activation: str) -> npt.NDArray[np.float32]:
    """Logits (N, K, ...) to probabilities."""
    if activation == "softmax":
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)
    if activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
    return logits


def _logits_of(network: Network, head: dict[str, Any]) -> Network:
    """The logits of `network`, where the source network ends in softmax or sigmoid."""

    def logits(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        result = network(batch)
        if not head["in_network"] or head["activation"] == "none":
            return result
        p = np.clip(np.asarray(result, np.float32), 1e-30, 1.0)
        if head["activation"] == "softmax":
            return np.log(p)
        return np.log(p) - np.log(np.clip(1 - p, 1e-30, 1.0))

    return logits
