// A baseline may have no fused multiply-add, and to do without takes long. So products are rounded
// here, everywhere, even where the processor could fuse: the same bits on every machine.
#pragma once

static inline Register FmaRegister(Register a, Register b, Register c) {
  return AddRegister(MulRegister(a, b), c);
}
static inline void AccumulateRegister(Register& sum, Register a, Register b) {
  sum = AddRegister(MulRegister(a, b), sum);
}
