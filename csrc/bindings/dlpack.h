// DLPack's exchange of arrays (dmlc.github.io/dlpack, ABI of version 0.8), as far as it is used
// here.
#pragma once

#include <cstdint>

namespace pyengine::dlpack {

enum DeviceType : int32_t { kCpu = 1, kCuda = 2, kCudaManaged = 13 };
enum TypeCode : uint8_t { kInt = 0, kUInt = 1, kFloat = 2 };

struct Device {
  int32_t type;
  int32_t id;
};

struct DataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;  // [values]; null: dense
  uint64_t byte_offset;
};

// Whoever takes it out of its capsule renames the capsule and calls the deleter once.
struct ManagedTensor {
  Tensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};

constexpr const char* kName = "dltensor";
constexpr const char* kUsedName = "used_dltensor";

}  // namespace pyengine::dlpack
