// x86-64 by CPUID.
#include "core/compiler.h"
#if defined(PYENGINE_GNU_ASM)
#include <cpuid.h>
#endif
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

// Leaf `leaf`, part `part`, into the four registers; false where the processor has none such.
bool AskProcessor(uint32_t leaf, uint32_t part, uint32_t (&r)[4]) {
#if defined(PYENGINE_GNU_ASM)
  return __get_cpuid_count(leaf, part, &r[0], &r[1], &r[2], &r[3]) != 0;
#else
  int found[4];
  __cpuid(found, static_cast<int>(leaf & 0x80000000u));
  if (leaf > static_cast<uint32_t>(found[0])) return false;
  __cpuidex(found, static_cast<int>(leaf), static_cast<int>(part));
  for (int i = 0; i < 4; ++i) r[i] = static_cast<uint32_t>(found[i]);
  return true;
#endif
}

// XCR0: which register files the operating system saves. An instruction set whose registers are
// not saved would corrupt data at the first context switch, whatever CPUID says.
uint64_t EnabledRegisterFiles() {
#if defined(PYENGINE_GNU_ASM)  // the intrinsic needs a flag that this file has not
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
#else
  return _xgetbv(0);
#endif
}

Features DetectFeatures() {
  Features features;
  uint32_t r[4];
  if (!AskProcessor(1, 0, r)) return features;
  const bool fma = r[2] & (1u << 12), osxsave = r[2] & (1u << 27);
  if (!osxsave || !fma) return features;
  const uint64_t saved = EnabledRegisterFiles();
  const bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xE6) == 0xE6;
  if (!AskProcessor(7, 0, r)) return features;
  const uint32_t b = r[1], d = r[3];
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
    uint32_t r[4];
    for (uint32_t i = 0; i < 16; ++i) {
      if (!AskProcessor(leaf, i, r) || (r[0] & 0x1F) == 0) break;
      const int64_t ways = (r[1] >> 22) + 1, partitions = (r[1] >> 12 & 0x3FF) + 1;
      const int64_t line = (r[1] & 0xFFF) + 1, sets = int64_t(r[2]) + 1;
      largest = std::max(largest, ways * partitions * line * sets);
    }
  }
  return largest;
}

}  // namespace pyengine
