"""Exact tiled inference for biomedical segmentation.

>>> import numpy as np, pyengine
>>> engine = pyengine.Engine("em-membranes")
>>> engine.segment(np.zeros((64, 48), np.uint8)).shape
(64, 48)
"""

from __future__ import annotations

from pkgutil import extend_path

# In the source folder these sources hide the installed package, which has the native module.
__path__ = extend_path(__path__, __name__)

try:
    from pyengine._core import (
        CancelledError,
        EngineError,
        EngineFileError,
        Scheduler,
        UnsupportedError,
        __version__,
    )
except ImportError as error:  # pragma: no cover - needs a broken installation
    raise ImportError(
        "pyengine's native module is missing or does not load; build it with "
        f"'pip install .' in the source folder ({error})"
    ) from error

from pyengine.builder import (
    BuildReport,
    FixedSizeWarning,
    OnnxruntimeWarning,
    PlanReport,
    PrecisionReport,
    build,
    build_plan,
    export_package,
    verify,
)
from pyengine.device_array import DeviceArray
from pyengine.engine import Engine
from pyengine.entropy import uncertainty
from pyengine.executor_status import ExecutorStatus, executors
from pyengine.foreground import tissue
from pyengine.info import Classification, EngineInfo, LayerInfo, LayerTime, MemoryUse, TilePlan
from pyengine.input_range import InputRangeWarning
from pyengine.measurements import (
    Measurements,
    Spacing,
    Table,
    en_face,
    etdrs,
    instances,
    measure,
    thickness_map,
)
from pyengine.outputs import NamedOutput
from pyengine.picture import Picture, show
from pyengine.shipped import engines
from pyengine.slow_plan import SlowPlanWarning
from pyengine.stream import FrameFuture, FrameResult, Stream, StreamStatistics
from pyengine.threads import ThreadOptions

__all__ = [
    "BuildReport",
    "CancelledError",
    "Scheduler",
    "Classification",
    "DeviceArray",
    "Engine",
    "EngineError",
    "EngineFileError",
    "EngineInfo",
    "ExecutorStatus",
    "FixedSizeWarning",
    "FrameFuture",
    "FrameResult",
    "InputRangeWarning",
    "LayerInfo",
    "LayerTime",
    "MemoryUse",
    "Measurements",
    "NamedOutput",
    "OnnxruntimeWarning",
    "Picture",
    "PlanReport",
    "PrecisionReport",
    "SlowPlanWarning",
    "Spacing",
    "Stream",
    "StreamStatistics",
    "ThreadOptions",
    "Table",
    "TilePlan",
    "UnsupportedError",
    "__version__",
    "build",
    "build_plan",
    "export_package",
    "engines",
    "executors",
    "en_face",
    "etdrs",
    "instances",
    "measure",
    "show",
    "thickness_map",
    "uncertainty",
    "tissue",
    "verify",
]
