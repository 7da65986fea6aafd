// `rounds` of multiply-adds on registers alone, by instruction set. Returns their operations;
// `sink` receives a number that depends on all of them. Plain declarations: see kernels.h.
#pragma once

#include <stdint.h>

namespace pyengine {

using MultiplyAdd = double (*)(int64_t rounds, float* sink);

double MultiplyAddPortable(int64_t rounds, float* sink);
double MultiplyAddAvx2(int64_t rounds, float* sink);
double MultiplyAddAvx512(int64_t rounds, float* sink);
double MultiplyAddNeon(int64_t rounds, float* sink);

}  // namespace pyengine
