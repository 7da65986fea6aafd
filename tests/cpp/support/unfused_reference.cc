#include "support/unfused_reference.h"

#include <cmath>
#include <cstring>

namespace pyengine {
namespace {

float MultiplyAdd(float a, float b, float c) {
  return a * b + c;
}

#include "cpu/kernels/reference/kernels.inc.h"

}  // namespace

constinit const KernelTable kUnfusedReferenceKernels = ScalarTable("unfused reference");

}  // namespace pyengine
