#include <arm_neon.h>

#include "cpu/kernels/kernels.h"
#include "multiply_add/multiply_add.h"

namespace pyengine {
namespace {

#include "cpu/kernels/neon/registers.inc.h"
#include "multiply_add/multiply_add.inc.h"

}  // namespace

double MultiplyAddNeon(int64_t rounds, float* sink) {
  return MultiplyAddOnRegisters(rounds, sink);
}

}  // namespace pyengine
