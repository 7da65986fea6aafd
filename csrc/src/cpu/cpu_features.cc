#include "cpu/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(PYENGINE_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>

#include "core/thread_pool.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

#if defined(__x86_64__)
struct Features {
  bool avx2 = false, avx512 = false, amx = false;
};

// XCR0: which register files the operating system saves. An instruction set whose registers are
// not saved would corrupt data at the first context switch, whatever CPUID says.
uint64_t EnabledRegisterFiles() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

Features Detect() {
  Features features;
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return features;
  const bool fma = c & (1u << 12), osxsave = c & (1u << 27);
  if (!osxsave || !fma) return features;
  const uint64_t saved = EnabledRegisterFiles();
  const bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xE6) == 0xE6;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return features;
  features.avx2 = ymm && (b & (1u << 5));
  features.avx512 = features.avx2 && zmm && (b & (1u << 16)) && (b & (1u << 17));
  const bool tiles = (saved & 0x60000) == 0x60000;
  const bool amx_tile = d & (1u << 24), amx_bf16 = d & (1u << 22);
  features.amx = features.avx512 && tiles && amx_tile && amx_bf16;
  return features;
}
#endif

#if defined(PYENGINE_AMX)
// Linux saves tile registers, 8 KB per thread, only for a process that asks, and refuses where an
// alternate signal stack could not hold them; later ones must then have room for them. So it is
// asked when an engine is about to use them, not before.
bool RequestTileRegisters() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  static const bool granted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
}
#endif

struct Entry {
  const KernelTable* table;
  bool present;
  bool rounds_more = false;     // than float32: only where the caller allows it
  bool (*acquire)() = nullptr;  // what else must succeed before use
  bool Usable(bool fast) const {
    return present && (fast || !rounds_more) && (!acquire || acquire());
  }
};

const std::vector<Entry>& Tables() {
  static const std::vector<Entry> tables = [] {
    std::vector<Entry> list;
#if defined(__x86_64__)
    const Features features = Detect();
#if defined(PYENGINE_AMX)
    static const KernelTable amx = [] {
      KernelTable table = kAvx512Kernels;
      table.isa = "amx";
      table.winograd = &kAmxWinograd;
      return table;
    }();
    list.push_back({&amx, features.amx, true, RequestTileRegisters});
#endif
    list.push_back({&kAvx512Kernels, features.avx512});
    list.push_back({&kAvx2Kernels, features.avx2});
#endif
    list.push_back({&kReferenceKernels, true});
    return list;
  }();
  return tables;
}

}  // namespace

std::vector<std::string> UsableIsas(bool fast) {
  std::vector<std::string> names;
  for (const Entry& entry : Tables())
    if (entry.Usable(fast)) names.emplace_back(entry.table->isa);
  return names;
}

const KernelTable& SelectKernels(const std::string& isa, bool fast) {
  std::string wanted = isa;
  if (wanted.empty())
    if (const char* forced = std::getenv("PYENGINE_ISA")) wanted = forced;
  std::string known;
  for (const Entry& entry : Tables()) {
    if (wanted.empty() && entry.Usable(fast)) return *entry.table;
    if (wanted == entry.table->isa) {
      if (entry.rounds_more && !fast)
        throw Error(ErrorCode::kUnsupported,
                    "instruction set '" + wanted +
                        "' rounds more than float32: it needs accuracy \"fast\"");
      if (entry.Usable(fast)) return *entry.table;
      throw Error(ErrorCode::kUnsupported, "instruction set '" + wanted +
                                               "' was asked for, but this CPU or operating "
                                               "system does not have it");
    }
    known += (known.empty() ? "" : ", ") + std::string(entry.table->isa);
  }
  throw Error(ErrorCode::kInvalidArgument,
              "unknown instruction set '" + wanted + "'; known: " + known);
}

int64_t LastLevelCacheBytes() {
  int64_t largest = 0;
#if defined(__x86_64__)
  // Intel and AMD list caches under numbers of their own, in one format; no processor has 16.
  for (const uint32_t leaf : {0x4u, 0x8000001Du}) {
    uint32_t a, b, c, d;
    for (uint32_t i = 0; i < 16; ++i) {
      if (!__get_cpuid_count(leaf, i, &a, &b, &c, &d) || (a & 0x1F) == 0) break;
      const int64_t ways = (b >> 22) + 1, partitions = (b >> 12 & 0x3FF) + 1;
      const int64_t line = (b & 0xFFF) + 1, sets = int64_t(c) + 1;
      largest = std::max(largest, ways * partitions * line * sets);
    }
  }
#endif
  return largest;
}

std::vector<double> MultiplyAddRates(const std::string& isa, int threads, int runs) {
  const KernelTable& kernels = SelectKernels(isa);
  if (kernels.multiply_add == nullptr)
    throw Error(ErrorCode::kUnsupported, "the reference kernels have no rate to measure");
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
    pool.ParallelFor(threads,
                     [&](int64_t i) { flops[i] = kernels.multiply_add(kRounds, &sinks[i]); });
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    double total = 0;
    for (double f : flops) total += f;
    rates.push_back(total / passed.count());
  }
  return rates;
}

}  // namespace pyengine
