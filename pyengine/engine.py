"""The engine: opens a file, segments or classifies images of any size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.arguments import (
    EngineKeywords,
    Output,
    SegmentKeywords,
    documented,
    engine_options,
    has_scale,
    positive,
    segment_fields,
    segment_options,
)
from pyengine.callable_context import CallableContext, own_context
from pyengine.checks import check_batch, check_image
from pyengine.device_array import DeviceArray, check_result, on_device, view_of
from pyengine.executor_status import library_folders
from pyengine.foreground import Mask, Report, cells_of_image
from pyengine.formats.format import MAX_PIXELS, ReadKeywords
from pyengine.host_image import as_image
from pyengine.info import Classification, EngineInfo, LayerTime, MemoryUse, TilePlan, read_info
from pyengine.input_range import InputRange, InputRangeOption, scaled
from pyengine.network import Network, logits_of
from pyengine.onnx_network import needs_onnxruntime, stored_network
from pyengine.outputs import NamedOutput, wanted
from pyengine.progress import Progress, progress_callback
from pyengine.segment_batch import segment_batch
from pyengine.segment_file import FileWork, segment_file
from pyengine.shipped import resolve
from pyengine.slabs import slabs, stacked
from pyengine.slow_plan import SlowPlans
from pyengine.stream import Late, Policy, Stream
from pyengine.threads import ThreadOptions
from pyengine.volumes.recipe import check_prepared, takes_volumes

if TYPE_CHECKING:
    from typing_extensions import Unpack


@documented(EngineKeywords)
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
    executor : {"auto", "cpu", "onnxruntime"} or callable
        What computes the network. "onnxruntime" takes the network that the file keeps as ONNX, and
        is what "auto" means for files that the CPU engine cannot run; it comes with
        ``pip install "pyengine[onnxruntime]"``. A callable gets (N, C, H, W) float32 and returns
        the source network's output (N, K, H', W'), a list of them where it has several, so that
        torch, say, runs behind the same tiler.
    halo, alignment : int, optional
        Of a callable: context that a tile needs on each side, and what tile origins and input sizes
        are multiples of [px]. Default: the file's. Before its first exact result the callable's
        response is compared with them.
    **options : EngineKeywords

    Raises
    ------
    FileNotFoundError
        No such file or shipped engine.
    EngineFileError
        The file is damaged, altered or of a later version; the message names the field.
    UnsupportedError
        The network or device cannot be run here.
    TypeError, ValueError
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
        halo: int | None = None,
        alignment: int | None = None,
        **options: Unpack[EngineKeywords],
    ) -> None:
        if not callable(executor) and executor not in ("auto", "cpu", "onnxruntime"):
            raise ValueError(
                f"executor {executor!r} is not 'auto', 'cpu', 'onnxruntime' or a callable; for "
                "TensorRT say device='cuda'"
            )
        if not isinstance(device, str):
            raise TypeError(f"device must be a word such as 'cpu' or 'cuda:0', got {device!r}")
        if (halo, alignment) != (None, None) and not callable(executor):
            raise ValueError("halo and alignment belong to an executor that is a callable")
        path, brought = str(resolve(path_or_name)), executor
        if executor == "auto" and device in ("auto", "cpu") and needs_onnxruntime(path):
            executor = "onnxruntime"
        if callable(executor) or executor in ("cpu", "onnxruntime"):
            if device not in ("auto", "cpu"):
                raise ValueError(f"device {device!r}: executor {executor!r} runs on the CPU")
            device = "cpu"
        given = engine_options(device, [] if device == "cpu" else library_folders(), **options)
        in_place = "callable" if callable(executor) else "onnxruntime"
        if executor == "onnxruntime":
            executor = stored_network(path, options.get("threads"))
        if callable(executor) and options.get("accuracy", "default") != "default":
            raise ValueError(f"accuracy='fast' belongs to the CPU engine, not to a {in_place}")
        # Known once the file is open, used once the network runs.
        head: dict[str, Any] = {}
        outputs: list[NamedOutput] = []
        network = logits_of(executor, head, outputs) if callable(executor) else None
        own = own_context(halo, alignment) if callable(executor) else (0, 0)
        self._open: _core.Engine | None = _core.Engine(path, given, network, *own)
        self._info = read_info(self._native.info(), path, in_place if network else "")
        head.update(self._info.manifest["head"])
        outputs.extend(self._info.results)
        self._context = CallableContext(
            self._native if in_place == "callable" and network else None
        )
        self._slow = SlowPlans(self._native, self._info)
        self._made_from = path, {
            "device": device, "executor": brought, "halo": halo, "alignment": alignment, **options
        }  # fmt: skip

    @property
    def _native(self) -> _core.Engine:
        if self._open is None:
            raise ValueError(f"the engine of {self._info.path} is closed")
        return self._open

    def close(self) -> None:
        """Release the network, its threads and its memory once no call and no stream uses them.

        Later calls raise ValueError; `info` stays.
        """
        self._open = None
        self._context, self._slow = CallableContext(None), SlowPlans(None, self._info)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process opens the file again: there is nothing in memory that the file lacks.
        return _opened, self._made_from

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

    def _repr_html_(self) -> str:
        return self._info._repr_html_()

    @documented(SegmentKeywords)
    def plan(self, height: int, width: int, **options: Unpack[SegmentKeywords]) -> TilePlan:
        """How an image would be cut.

        Parameters
        ----------
        height, width : int
            Size of the image in pixels.
        **options : SegmentKeywords

        Returns
        -------
        TilePlan

        Raises
        ------
        TypeError, ValueError
            An argument out of range, or no tile within `max_memory`.
        UnsupportedError
            The network has no tiles, with the reason.
        """
        size = positive("height", height), positive("width", width)
        return TilePlan(**self._native.plan(*size, segment_options(**options)))

    @documented(SegmentKeywords)
    def prepare(self, height: int, width: int, **options: Unpack[SegmentKeywords]) -> None:
        """Make plans, memory and pages ready, so that the first call takes what later ones take.

        Parameters
        ----------
        height, width : int
            Size of the images to come, in pixels.
        **options : SegmentKeywords
            Those of the calls to come. Callbacks are not called.

        Raises
        ------
        TypeError, ValueError
            An argument out of range, or no tile within `max_memory`.
        UnsupportedError
            The network cannot do this, with the reason.
        """
        size = positive("height", height), positive("width", width)
        self._native.prepare(*size, segment_options(**options))

    def memory(self) -> MemoryUse:
        """What the engine holds, in bytes; streams count their own (`Stream.statistics`)."""
        return MemoryUse(**self._native.memory())

    def trim(self) -> None:
        """Free working memory that no call uses. The next call allocates again."""
        self._native.trim()

    @documented(SegmentKeywords)
    def segment(
        self,
        image: npt.NDArray[Any],
        *,
        output: Output | str | Sequence[str] = "labels",
        progress: Progress = False,
        out: Any = None,
        stream: int | None = None,
        threshold: float | None = None,
        input_range: InputRangeOption | None = None,
        mask: Mask | None = None,
        report: Report | None = None,
        **options: Unpack[SegmentKeywords],
    ) -> Any:
        """Segment one image of any size, as if in one piece.

        Parameters
        ----------
        image : array of uint8, uint16 or float32, shape (H, W) or (H, W, C)
            Of engines whose ``info.axes`` are "zyx" a volume, (D, H, W) or (D, H, W, C). Any strides;
            never modified. Values are taken as numbers, on the scale the network was trained with,
            whatever the dtype. A numpy array, or what becomes one by NumPy's protocols (torch on
            the CPU, dask, Pillow). Or, for an engine on a GPU, an
            array in that GPU's memory (pycuda, CuPy, torch, JAX: all with
            ``__cuda_array_interface__`` or DLPack), which is never copied to the host; NaN and
            infinity are not looked for there.
        output : {"labels", "probabilities", "logits", "uncertainty"}, str or sequence of str
            What comes back. Of a network with named results (``info.results``) a name gives one
            (its head applied), several names a tuple of them; "probabilities" and "logits" then
            give a dict. Results of another resolution have their own size.
        progress : bool or callable
            True shows a bar; ``callable(done, total)`` is told of tiles and cancels by returning
            False.
        out : array on the GPU, optional
            For images on the GPU: where results go, dense and of the type and shape below.
        stream : int, optional
            For images on the GPU: the cudaStream_t to work on; the call does not wait for it.
            Default: the one that the image's interface names, else CUDA's default stream.
        threshold : float, optional
            Labels by probability: the last class above it (of regions, the sigmoids of several
            classes; of one sigmoid; of the second of two classes), background 0 where none is.
            Default: one half. Networks whose most probable class is the label refuse it.
        input_range : (float, float) or "dtype", optional
            The values of the image that are 0 and the largest on the network's scale
            (``info.input["dtype"]``); "dtype": all of its type, of floats 0 to 1.
        mask : array of shape (h, w), or callable, optional
            Where the image is worth computing: not 0 for foreground, of any size, for all of the
            image. A callable makes one of a thumbnail, whose pixels are means of equal blocks
            (2048 px a side at most); such as `pyengine.tissue`. Foreground is by cells of 256 x
            256 px, counted from the first pixel: the others become background (label 0, or its
            probability 1), in exact mode without being computed.
        report : callable, optional
            ``report(computed, repeated, background)`` is told of the pixels of exact tiles on the
            CPU, once for each pass over the image: those that were computed, copied (see
            `every_tile`) and left out (see `mask`).
        **options : SegmentKeywords

        Returns
        -------
        ndarray, or DeviceArray for images on the GPU
            Labels: uint8 (H, W). Probabilities in [0, 1] or logits: float32 (K, H, W). Of volumes
            with D before H.
            Uncertainty: float32 (H, W) in [0, 1], see `pyengine.uncertainty`.

        Raises
        ------
        TypeError
            Not an array of a supported dtype, or an option of the wrong type.
        ValueError
            Wrong rank, size or channels, NaN or infinity, or an option out of range.
        UnsupportedError
            The network cannot do this, with the reason.
        CancelledError
            `progress` returned False.

        Warns
        -----
        InputRangeWarning
            Values that cannot be on the scale of ``info.input["dtype"]``.
        SlowPlanWarning
            `max_memory` makes the tiles so small that time multiplies.

        Notes
        -----
        Overlap-tile strategy of Ronneberger et al. 2015 (section 2): the network applied to the
        mirror-padded image. On the CPU the result is bit for bit that of a single tile.
        """
        core = self._native
        kind, pick = wanted(self._info.results, output, self._info.manifest["head"], threshold)
        if on_device(image):
            if threshold is not None or input_range is not None:
                raise ValueError("images on the GPU: threshold and input_range are for host memory")
            if output == "uncertainty":
                raise ValueError(
                    "images on the GPU: output must be labels, probabilities or logits"
                )
            exact = options.get("mode", "exact") == "exact" and options.get("tta", "none") == "none"
            if not exact or progress is not False or mask is not None:
                raise ValueError(
                    "images on the GPU: mode must be 'exact', without progress, tta and mask"
                )
            return self._segment_on_device(image, kind, out, stream, segment_options(**options))
        if out is not None or stream is not None:
            raise ValueError("out and stream belong to images on the GPU")
        image, depth = self._pixels_of(as_image(image))
        check_prepared(image.dtype, self._info.manifest)
        options = scaled(self._info, image.dtype, input_range, options)
        value_range = InputRange(
            self._info, image.dtype, "image", scaled=has_scale(options), input_range=input_range
        )
        value_range.see(image)
        value_range.finish()
        if mask is not None and depth is not None:
            raise ValueError("mask: volumes are segmented whole")
        cells = cells_of_image(mask, image)
        with progress_callback(progress) as callback:
            given = segment_options(callback, cells, report, **options)
            if depth is not None:
                return pick(core.segment_volume(_core.BorrowedImage(image), depth, kind, given))
            if self._info.tileable and options.get("mode", "exact") == "exact":
                self._context.prove()
                self._slow.warn(image.shape[0], image.shape[1], options)
            return pick(core.segment(_core.BorrowedImage(image), kind, given))

    def _pixels_of(self, image: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], int | None]:
        """An image, or the slices of a volume one below the other and how many they are."""
        channels = int(self._info.input["channels"])
        if self._info.axes == "zyx":
            return stacked(image, channels)
        check_image(image, channels)
        return image, None

    @documented(SegmentKeywords)
    def segment_slabs(
        self,
        volume: npt.NDArray[Any],
        *,
        output: Output = "labels",
        progress: Progress = False,
        **options: Unpack[SegmentKeywords],
    ) -> Iterator[npt.NDArray[Any]]:
        """Segment a volume, and hand out slices as soon as they are finished.

        Nothing of the size of the result is held, which matters for the scores of many classes.

        Parameters
        ----------
        volume : array of uint8, uint16 or float32, shape (D, H, W) or (D, H, W, C)
            As in `segment`; it must stay as it is until the last slab.
        output : {"labels", "probabilities", "logits"}
            What comes back.
        progress : bool or callable
            As in `segment`, on the thread that computes.
        **options : SegmentKeywords
            Whoever stops reading ends the computation, too.

        Yields
        ------
        ndarray
            Labels: uint8 (d, H, W). Scores: float32 (K, d, H, W). All d add up to D.

        Raises
        ------
        TypeError, ValueError, UnsupportedError
            As `segment`; UnsupportedError also where the network takes images.
        """
        if self._info.axes != "zyx":
            raise _core.UnsupportedError("slabs are of volumes; this network takes images")
        kind, _ = wanted((), output, self._info.manifest["head"])
        volume = as_image(volume)
        slices, depth = stacked(volume, int(self._info.input["channels"]))
        check_prepared(slices.dtype, self._info.manifest)
        fields = segment_fields(**options)

        def told() -> Iterator[npt.NDArray[Any]]:
            with progress_callback(progress) as callback:
                yield from slabs(
                    self._native, slices, depth, kind, {**fields, "progress": callback}
                )

        return told()

    def _segment_on_device(
        self,
        image: Any,
        kind: _core.OutputKind,
        out: Any,
        stream: int | None,
        options: _core.SegmentOptions,
    ) -> Any:
        if self._info.results:
            raise _core.UnsupportedError(
                "images on the GPU: this network has named results, which are for images in host "
                "memory"
            )
        view = view_of(image, self._info.input["channels"], stream)
        height, width = view.shape[:2]
        labels = kind == _core.OutputKind.labels
        shape = (height, width) if labels else (self._info.outputs, height, width)
        dtype = np.uint8 if labels else np.float32
        if out is None:
            out = DeviceArray(self._native, shape, dtype, view.stream)
        pointer = check_result(out, shape, dtype, view.stream)
        self._native.segment_on_device(view.borrowed(), kind, pointer, view.stream, options)
        return out

    @documented(SegmentKeywords)
    def segment_batch(
        self,
        images: Iterable[npt.NDArray[Any]],
        *,
        output: Output | str | Sequence[str] = "labels",
        progress: Progress = False,
        threshold: float | None = None,
        input_range: InputRangeOption | None = None,
        **options: Unpack[SegmentKeywords],
    ) -> Iterator[Any]:
        """Segment images, lazily and in order.

        Small images (up to 256 x 256 px) run side by side on the CPU, one thread each, so that a
        few more images are read than results were taken; larger ones one after the other, on all
        threads.

        Parameters
        ----------
        images : iterable of ndarray
            As in `segment`; sizes may differ.
        output : {"labels", "probabilities", "logits"}, str or sequence of str
            As in `segment`.
        progress : bool or callable
            As in `segment`. Other than False, every image runs by itself.
        threshold, input_range
            As in `segment`.
        **options : SegmentKeywords

        Yields
        ------
        ndarray
            As from `segment`, in the order of the images.
        """
        given = {
            **options, "output": output, "progress": progress, "threshold": threshold,
            "input_range": input_range,
        }  # fmt: skip
        return segment_batch(self.segment, self._info, images, given)

    @documented(SegmentKeywords)
    def stream(
        self,
        height: int,
        width: int,
        *,
        slices: int | None = None,
        dtype: npt.DTypeLike = np.uint8,
        policy: Policy = "newest",
        queue: int = 8,
        copy: bool = False,
        output: Output = "labels",
        deadline: float | None = None,
        late: Late = "finish",
        slice_progress: Callable[[int, int], bool | None] | None = None,
        results: int = 4,
        statistics: int = 1000,
        thread: ThreadOptions | None = None,
        **options: Unpack[SegmentKeywords],
    ) -> Stream:
        """Open a stream of live frames: in at a scanner's rate, results of known age out.

        Memory and plans are ready when it returns. An engine may have several streams.

        Parameters
        ----------
        height, width : int
            Of the largest frame, in pixels.
        slices : int, optional
            Frames are stacks (volumes) of up to so many slices. Default: single images.
        dtype : {"uint8", "uint16", "float32"}
            Of the frames that memory is made ready for.
        policy : {"newest", "all", "reject"}
            What becomes of a frame that comes while another is computed. "newest": it waits, in
            place of the one that waited. "all": it waits behind the others, up to `queue`; then
            frames are refused. "reject": it is refused.
        queue : int
            Frames that may wait under "all".
        copy : bool
            `Stream.submit` copies the pixels into memory of the stream, so that the caller may
            change them at once. Default: they are borrowed until the frame ends.
        output : {"labels", "probabilities", "logits"}
            What comes back.
        deadline : float, optional
            Seconds from submission after which a frame is not begun any more.
        late : {"finish", "cancel"}
            A frame whose deadline passes while it is computed is finished and called late, or
            given up.
        slice_progress : callable, optional
            ``callable(done, total)`` is told of a stack after each slice, on the thread that
            computes, and cancels the stack by returning False.
        results : int
            For iteration: results that may lie untaken before the oldest is lost.
        statistics : int
            Over how many of the last results percentiles are.
        thread : ThreadOptions, optional
            Name, cores and priority of the thread that computes.
        **options : SegmentKeywords

        Returns
        -------
        Stream

        Raises
        ------
        TypeError, ValueError
            An argument out of range.
        UnsupportedError
            The network cannot do this, with the reason.

        Examples
        --------
        >>> with Engine("oct-fluid").stream(64, 96) as stream:
        ...     result = stream.submit(np.zeros((64, 96), np.uint8)).result()
        >>> result.status, result.data.shape
        ('done', (64, 96))
        """
        check_prepared(dtype, self._info.manifest)
        return Stream(
            self._native, self._info, height, width, slices, dtype, policy, queue, copy, output,
            deadline, late, slice_progress, results, statistics, thread, dict(options),
        )  # fmt: skip

    @documented(SegmentKeywords)
    def segment_file(
        self,
        src: str | os.PathLike[str],
        dst: str | os.PathLike[str],
        *,
        output: Output | str = "labels",
        progress: Progress = False,
        axes: str | None = None,
        level: int = 0,
        max_pixels: int = MAX_PIXELS,
        threshold: float | None = None,
        input_range: InputRangeOption | None = None,
        mask: Mask | None = None,
        report: Report | None = None,
        **options: Unpack[SegmentKeywords],
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
        output : {"labels", "probabilities", "logits", "uncertainty"} or str
            What is written; of a network with named results, the name of one.
        progress : bool or callable
            As in `segment`; tiles of all pages are counted.
        axes : str, optional
            Which axis of the file is what, in its order: Y and X, C for channels, other letters
            for axes whose images are segmented one by one, as in "ZYX". Default: as the file says,
            or by lengths; ``pyengine info FILE`` shows it.
        level : int
            Of a pyramid; 0 is the full resolution.
        max_pixels : int
            Of what must be decoded in one piece, such as a PNG or a compressed strip.
        threshold, input_range
            As in `segment`.
        mask, report
            As in `segment`. A callable is asked about each page, an array serves them all; what is
            reported is the sum.
        **options : SegmentKeywords

        Raises
        ------
        OSError
            The file cannot be read or written; FileExistsError where the result would replace a
            folder or a data set.
        TypeError, ValueError
            The format, the image or an option does not fit, or `dst` is `src`.

        Warns
        -----
        InputRangeWarning
            As in `segment`.

        Notes
        -----
        Of a `region` only the rows that it needs are read.
        With `tta` each image is read whole; so is one of a network without tiles in mode "exact",
        and on a GPU in the other modes. On the CPU these go by bands of several windows.
        """
        how: ReadKeywords = {"axes": axes, "level": level, "max_pixels": max_pixels}
        if takes_volumes(self._info.manifest):
            # It needs this module for types alone.
            from pyengine.volumes.case import segment_case

            if any(option is not None for option in (threshold, input_range, mask, report)):
                raise ValueError(
                    "threshold, input_range, mask and report are not for networks of volumes"
                )
            segment_case(self, os.fspath(src), os.fspath(dst), output, progress, options, how)
            return
        segment_file(
            self._file_work(
                src, dst, how, output=output, progress=progress, threshold=threshold,
                input_range=input_range, mask=mask, report=report, options=options,
            )
        )  # fmt: skip

    def _file_work(
        self,
        src: str | os.PathLike[str],
        dst: str | os.PathLike[str],
        how: ReadKeywords,
        *,
        output: Output | str,
        options: SegmentKeywords,
        **more: Any,
    ) -> FileWork:
        """`segment_file` in stages, for batches of files."""
        if self._info.tileable:
            self._context.prove()
        return FileWork(
            self._native, self._info, os.fspath(src), os.fspath(dst), output, options, how, **more
        )

    def classify(self, image: npt.NDArray[Any]) -> Classification:
        """Class of a whole image.

        Parameters
        ----------
        image : ndarray of uint8, uint16 or float32, shape (H, W) or (H, W, C)
            Resized bilinearly (with antialiasing) to the network's input size if it differs.

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
        image = as_image(image)
        check_image(image, self._info.input["channels"])
        index, probabilities = self._native.classify(_core.BorrowedImage(image))
        classes = self._info.classes
        return Classification(classes[index], index, probabilities, classes)

    def normalise(self, image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The pixels of an image as the network takes them, for `run`.

        Parameters
        ----------
        image : ndarray of uint8, uint16 or float32, shape (H, W) or (H, W, C)
            As in `segment`.

        Returns
        -------
        ndarray of float32, shape (C, H, W)
            ``info.input["preprocessing"]`` applied, in float32.

        Raises
        ------
        TypeError, ValueError
            As in `segment`.
        """
        image = as_image(image)
        check_image(image, self._info.input["channels"])
        return self._native.normalise(_core.BorrowedImage(image))

    def run(self, batch: npt.NDArray[np.float32]) -> Any:
        """The network itself: no tiling, no normalisation, its own padding.

        Parameters
        ----------
        batch : ndarray of float32, shape (N, C, H, W), or (N, C, D, H, W) for volumes
            Network input; see `normalise`.

        Returns
        -------
        ndarray of float32, shape (N, K, H', W'), or (N, K, D', H', W')
            What the source network returns (a classifier: H' = W' = 1); a list of arrays where it
            has several results.

        Raises
        ------
        TypeError, ValueError
            Wrong dtype or shape, or a size the network does not accept.
        """
        volume = len(self._info.input["sample_size_px"]) == 3
        check_batch(batch, self._info.input["channels"], volume=volume)
        batch = np.ascontiguousarray(batch)
        if volume:
            return self._native.run_volume(batch)
        planes = self._native.run(batch)
        results = [one.of(planes) for one in self._info.results] or [planes]
        return results[0] if len(results) == 1 else results

    def profile(
        self, height: int, width: int, passes: int = 10, depth: int | None = None
    ) -> tuple[LayerTime, ...]:
        """Time of each operation of the network on an image in one piece.

        Parameters
        ----------
        height, width : int
            Size of the image in pixels.
        passes : int
            The median of so many counts.
        depth : int, optional
            Slices, for networks over volumes.

        Returns
        -------
        tuple of LayerTime
            In the order of the graph; empty where the executor does not know.

        Raises
        ------
        ValueError
            A number below 1, or a size the network does not accept.
        """
        size = [positive("height", height), positive("width", width)]
        if depth is not None:
            size.insert(0, positive("depth", depth))
        times = self._native.profile(size, positive("passes", passes))
        return tuple(LayerTime(**row) for row in times)


def _opened(path: str, arguments: dict[str, Any]) -> Engine:
    """For `pickle`."""
    return Engine(path, **arguments)
