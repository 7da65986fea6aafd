#include "multiply_add/multiply_add_rates.h"

#include <chrono>
#include <string_view>

#include "core/compiler.h"
#include "core/thread_pool.h"
#include "cpu/isa.h"
#include "multiply_add/multiply_add.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// Null: none, as for tables that are not for speed.
MultiplyAdd MultiplyAddOf(std::string_view isa) {
#if defined(PYENGINE_X86_64)
  if (isa == "avx512") return MultiplyAddAvx512;
  if (isa == "avx2") return MultiplyAddAvx2;
#elif defined(PYENGINE_ARM64)
  if (isa == "neon") return MultiplyAddNeon;
#endif
  return isa == "portable" ? MultiplyAddPortable : nullptr;
}

}  // namespace

std::vector<double> MultiplyAddRates(const std::string& isa, int threads, int runs) {
  const KernelTable& kernels = SelectKernels(isa);
  const MultiplyAdd multiply_add = MultiplyAddOf(kernels.isa);
  if (!multiply_add)
    throw Error(ErrorCode::kUnsupported,
                "the " + std::string(kernels.isa) + " kernels have no rate to measure");
  if (threads < 1)
    throw Error(ErrorCode::kInvalidArgument,
                "threads " + std::to_string(threads) + " must be at least 1");
  if (runs < 1)
    throw Error(ErrorCode::kInvalidArgument,
                "runs " + std::to_string(runs) + " must be at least 1");
  constexpr int64_t kRounds = 1 << 19;  // about a millisecond
  ThreadPool pool(threads);
  std::vector<double> flops(static_cast<size_t>(threads));
  std::vector<float> sinks(static_cast<size_t>(threads), 1.0f);
  std::vector<double> rates;
  for (int run = 0; run < runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    pool.ParallelFor(threads, [&](int64_t i) { flops[i] = multiply_add(kRounds, &sinks[i]); });
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    double total = 0;
    for (double f : flops) total += f;
    rates.push_back(total / passed.count());
  }
  return rates;
}

}  // namespace pyengine
