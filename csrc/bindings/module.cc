// pyengine._core: converts, releases the GIL, calls, returns.
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>

#include "bind.h"
#include "pyengine/error.h"
#include "pyengine/version.h"

namespace py = pybind11;

namespace {

// Messages quote paths and file contents, which need not be UTF-8.
void Raise(PyObject* type, const char* message) {
  const py::object text = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(message, static_cast<py::ssize_t>(std::strlen(message)), "replace"));
  PyErr_SetObject(type, text.ptr());
}

}  // namespace

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
          return Raise(PyExc_ValueError, e.what());
        case pyengine::ErrorCode::kBadEngineFile:
          return Raise(file_error.ptr(), e.what());
        case pyengine::ErrorCode::kUnsupported:
          return Raise(unsupported.ptr(), e.what());
        case pyengine::ErrorCode::kIo:
          return Raise(PyExc_OSError, e.what());
        case pyengine::ErrorCode::kOutOfMemory:
          return Raise(PyExc_MemoryError, e.what());
        case pyengine::ErrorCode::kCancelled:
          return Raise(cancelled.ptr(), e.what());
        case pyengine::ErrorCode::kNotFinite:
          return Raise(PyExc_FloatingPointError, e.what());
        case pyengine::ErrorCode::kTimeout:
          return Raise(PyExc_TimeoutError, e.what());
        case pyengine::ErrorCode::kBusy:
        case pyengine::ErrorCode::kInternal:
          return Raise(engine_error.ptr(), e.what());
      }
    }
  });
  pyengine::BindOptions(m);
  pyengine::BindEngine(m);
  pyengine::BindStream(m);
  pyengine::BindBuild(m);
  pyengine::BindPlans(m);
  pyengine::BindDlpack(m);
  pyengine::BindMachine(m);
}
