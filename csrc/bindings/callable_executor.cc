#include "callable_executor.h"

#include <pybind11/numpy.h>

#include <algorithm>
#include <string>
#include <utility>

#include "pyengine/error.h"

namespace py = pybind11;

namespace pyengine {
namespace {

class CallableExecutor final : public Executor {
 public:
  CallableExecutor(const NetworkGeometry& geometry, py::object callable)
      : Executor(geometry), callable_(std::move(callable)) {}
  ~CallableExecutor() override {
    py::gil_scoped_acquire gil;
    callable_ = py::object();
  }

  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) override {
    py::gil_scoped_acquire gil;
    const NetworkGeometry& g = geometry();
    py::array_t<float> batch({n, g.channels, h, w});
    std::copy_n(in, batch.size(), batch.mutable_data());
    const py::object result = callable_(batch);
    const auto array =
        py::array_t<float, py::array::c_style | py::array::forcecast>::ensure(result);
    const int64_t want[4] = {n, g.classes, g.dense ? h - 2 * g.margin : 1,
                             g.dense ? w - 2 * g.margin : 1};
    bool fits = array && (array.ndim() == 4 || (array.ndim() == 2 && !g.dense));
    for (int i = 0; fits && i < array.ndim(); ++i) fits = array.shape(i) == want[i];
    if (!fits) {
      PyErr_Clear();
      throw Error(
          ErrorCode::kInvalidArgument,
          "the executor returned " +
              (array ? py::str(array.attr("shape")).cast<std::string>() : std::string("no array")) +
              ", the network's output is " +
              py::str(py::make_tuple(want[0], want[1], want[2], want[3])).cast<std::string>());
    }
    std::copy_n(array.data(), array.size(), out);
  }

 private:
  py::object callable_;
};

}  // namespace

std::shared_ptr<Executor> MakeCallableExecutor(const NetworkGeometry& geometry,
                                               py::object callable) {
  return std::make_shared<CallableExecutor>(geometry, std::move(callable));
}

}  // namespace pyengine
