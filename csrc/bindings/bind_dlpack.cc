// Arrays of other libraries by DLPack, and ours to them.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <vector>

#include "bind.h"
#include "device_memory.h"
#include "dlpack.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace pyengine {
namespace {

// A tensor taken out of its capsule, given back with the Python object.
struct Imported {
  struct Release {
    void operator()(dlpack::ManagedTensor* owned) const {
      if (owned->deleter) owned->deleter(owned);
    }
  };
  std::unique_ptr<dlpack::ManagedTensor, Release> managed;
  const dlpack::Tensor& tensor() const { return managed->tensor; }
};

Imported Import(const py::capsule& capsule) {
  void* pointer = PyCapsule_GetPointer(capsule.ptr(), dlpack::kName);
  if (pointer == nullptr) throw py::error_already_set();
  if (PyCapsule_SetName(capsule.ptr(), dlpack::kUsedName) != 0) throw py::error_already_set();
  return {decltype(Imported::managed)(static_cast<dlpack::ManagedTensor*>(pointer))};
}

// NumPy's name of the type, "" for those it has none for.
std::string TypeString(const dlpack::DataType& type) {
  const char* kinds = "iuf";
  if (type.lanes != 1 || type.code > dlpack::kFloat || type.bits % 8 != 0) return "";
  return std::string(type.bits == 8 ? "|" : "<") + kinds[type.code] + std::to_string(type.bits / 8);
}

std::vector<int64_t> Shape(const Imported& i) {
  return {i.tensor().shape, i.tensor().shape + i.tensor().ndim};
}

std::vector<int64_t> StridesBytes(const Imported& i) {
  const dlpack::Tensor& t = i.tensor();
  std::vector<int64_t> strides(static_cast<size_t>(t.ndim));
  int64_t dense = t.dtype.bits / 8;
  for (int32_t axis = t.ndim; axis-- > 0;) {
    strides[static_cast<size_t>(axis)] = t.strides ? t.strides[axis] * (t.dtype.bits / 8) : dense;
    dense *= t.shape[axis];
  }
  return strides;
}

struct Exported {
  dlpack::ManagedTensor managed;
  std::vector<int64_t> shape;
  std::shared_ptr<void> memory;
};

py::capsule Export(const DeviceMemory& memory, const std::vector<int64_t>& shape, bool is_float,
                   int bits, int device) {
  auto exported = std::make_unique<Exported>();
  exported->shape = shape;
  exported->memory = memory.memory;
  const dlpack::DataType type{.code = is_float ? dlpack::kFloat : dlpack::kUInt,
                              .bits = static_cast<uint8_t>(bits),
                              .lanes = 1};
  exported->managed = {.tensor = {.data = memory.memory.get(),
                                  .device = {.type = dlpack::kCuda, .id = device},
                                  .ndim = static_cast<int32_t>(shape.size()),
                                  .dtype = type,
                                  .shape = exported->shape.data(),
                                  .strides = nullptr,
                                  .byte_offset = 0},
                       .context = exported.get(),
                       .deleter = [](dlpack::ManagedTensor* managed) {
                         delete static_cast<Exported*>(managed->context);
                       }};
  // Nobody took it: the capsule still has its first name.
  py::capsule capsule(&exported->managed, dlpack::kName, [](PyObject* self) {
    if (PyCapsule_IsValid(self, dlpack::kName) == 0) return;
    auto* managed = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(self, dlpack::kName));
    managed->deleter(managed);
  });
  exported.release();  // NOLINT(bugprone-unused-return-value): the capsule's now
  return capsule;
}

}  // namespace

void BindDlpack(py::module_& m) {
  py::class_<Imported>(m, "DlpackArray")
      .def(py::init(&Import), "capsule"_a)
      .def_property_readonly("pointer",
                             [](const Imported& i) {
                               return reinterpret_cast<uintptr_t>(i.tensor().data) +
                                      i.tensor().byte_offset;
                             })
      .def_property_readonly("typestr",
                             [](const Imported& i) { return TypeString(i.tensor().dtype); })
      .def_property_readonly("shape",
                             [](const Imported& i) { return py::tuple(py::cast(Shape(i))); })
      .def_property_readonly("strides",
                             [](const Imported& i) { return py::tuple(py::cast(StridesBytes(i))); })
      .def_property_readonly("device", [](const Imported& i) {
        return py::make_tuple(i.tensor().device.type, i.tensor().device.id);
      });
  m.def("dlpack_capsule", &Export, "memory"_a, "shape"_a, "is_float"_a, "bits"_a, "device"_a,
        "A dense array in device memory, for one reader.");
}

}  // namespace pyengine
