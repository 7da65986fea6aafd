// Registers of plain C++, for the baseline of any processor.
#pragma once

#if defined(PYENGINE_GNU_VECTORS) && !defined(PYENGINE_PLAIN_REGISTERS)
#include "cpu/kernels/portable/registers.inc.h"
#else
#include "cpu/kernels/portable/plain_registers.inc.h"
#endif
