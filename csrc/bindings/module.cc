// pyengine._core: converts, releases the GIL, calls, returns.
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.h"
#include "pyengine/error.h"
#include "pyengine/version.h"

namespace py = pybind11;

PYBIND11_MODULE(_core, m) {
  m.doc() = "Native core of pyengine.";
  m.attr("__version__") = PYENGINE_VERSION;

  // One Python type per kind of failure, so that callers can tell them apart.
  static py::exception<pyengine::Error> engine_error(m, "EngineError", PyExc_RuntimeError);
  static py::exception<pyengine::Error> file_error(m, "EngineFileError", PyExc_ValueError);
  static py::exception<pyengine::Error> unsupported(m, "UnsupportedError", PyExc_ValueError);
  static py::exception<pyengine::Error> cancelled(m, "CancelledError", PyExc_RuntimeError);
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const pyengine::Error& e) {
      switch (e.code()) {
        case pyengine::ErrorCode::kInvalidArgument:
          return PyErr_SetString(PyExc_ValueError, e.what());
        case pyengine::ErrorCode::kBadEngineFile:
          return PyErr_SetString(file_error.ptr(), e.what());
        case pyengine::ErrorCode::kUnsupported:
          return PyErr_SetString(unsupported.ptr(), e.what());
        case pyengine::ErrorCode::kIo:
          return PyErr_SetString(PyExc_OSError, e.what());
        case pyengine::ErrorCode::kOutOfMemory:
          return PyErr_SetString(PyExc_MemoryError, e.what());
        case pyengine::ErrorCode::kCancelled:
          return PyErr_SetString(cancelled.ptr(), e.what());
        case pyengine::ErrorCode::kInternal:
          return PyErr_SetString(engine_error.ptr(), e.what());
      }
    }
  });
  pyengine::BindEngine(m);
  pyengine::BindBuild(m);
}
