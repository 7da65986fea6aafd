// The oracle for tables that fuse multiply-adds, asked for by name alone.
#include "cpu/kernels/kernels.h"

#include <cmath>
#include <cstring>

namespace pyengine {
namespace {

float MultiplyAdd(float a, float b, float c) {
  return std::fma(a, b, c);
}

#include "cpu/kernels/reference/kernels.inc.h"

}  // namespace

constinit const KernelTable kReferenceKernels = ScalarTable("reference");

}  // namespace pyengine
