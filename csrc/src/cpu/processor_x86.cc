// x86-64 by CPUID.
#include <cpuid.h>
#if defined(PYENGINE_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>

#include "cpu/processor.h"

namespace pyengine {
namespace {

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

Features DetectFeatures() {
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

}  // namespace

std::vector<ProcessorKernels> ListProcessorKernels() {
  const Features features = DetectFeatures();
  std::vector<ProcessorKernels> list;
#if defined(PYENGINE_AMX)
  static const KernelTable amx = [] {
    KernelTable table = kAvx512Kernels;
    table.isa = "amx";
    table.winograd = &kAmxWinograd;
    return table;
  }();
  list.push_back({.table = &amx,
                  .present = features.amx,
                  .rounds_more = true,
                  .acquire = RequestTileRegisters});
#endif
  list.push_back({.table = &kAvx512Kernels, .present = features.avx512});
  list.push_back({.table = &kAvx2Kernels, .present = features.avx2});
  return list;
}

int64_t LastLevelCacheBytes() {
  int64_t largest = 0;
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
  return largest;
}

}  // namespace pyengine
