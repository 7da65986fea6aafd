#include "cpu/kernels/kernels.h"
#include "multiply_add/multiply_add.h"

namespace pyengine {
namespace {

#include "cpu/kernels/portable/any_registers.inc.h"
#include "cpu/kernels/portable/multiply_add.inc.h"
#include "multiply_add/multiply_add.inc.h"

}  // namespace

double MultiplyAddPortable(int64_t rounds, float* sink) {
  return MultiplyAddOnRegisters(rounds, sink);
}

}  // namespace pyengine
