// The oracle for tables that fuse multiply-adds, asked for by name alone.
#include "cpu/kernels/kernels.h"

#include <cmath>
#include <cstring>

namespace pyengine {
namespace {

#include "cpu/kernels/fused/multiply_add.inc.h"

float MultiplyAdd(float a, float b, float c) {
  return FusedMultiplyAdd(a, b, c);
}

#include "cpu/kernels/reference/kernels.inc.h"

}  // namespace

constinit const KernelTable kReferenceKernels = ScalarTable("reference");

}  // namespace pyengine
