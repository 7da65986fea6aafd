#include "cpu/kernels/kernels.h"
#include "multiply_add/multiply_add.h"

namespace pyengine {
namespace {

#if defined(PYENGINE_GNU_VECTORS)
#include "cpu/kernels/portable/registers.inc.h"
#else
#include "cpu/kernels/portable/plain_registers.inc.h"
#endif
#include "multiply_add/multiply_add.inc.h"

}  // namespace

double MultiplyAddPortable(int64_t rounds, float* sink) {
  return MultiplyAddOnRegisters(rounds, sink);
}

}  // namespace pyengine
