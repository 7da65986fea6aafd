#include "core/finite_check.h"

#include <cmath>
#include <limits>

namespace pyengine {
namespace {

thread_local bool wanted_here = false;

}  // namespace

FiniteCheckScope::FiniteCheckScope(bool wanted) : outer_(wanted_here) {
  wanted_here = wanted;
}

FiniteCheckScope::~FiniteCheckScope() {
  wanted_here = outer_;
}

bool FiniteCheckScope::Wanted() {
  return wanted_here;
}

bool AreFinite(const float* values, int64_t count) {
  bool finite = true;
  for (int64_t i = 0; i < count; ++i)
    finite &= std::fabs(values[i]) <= std::numeric_limits<float>::max();
  return finite;
}

}  // namespace pyengine
