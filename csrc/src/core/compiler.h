// What compilers offer beyond the language, each in its own words. Macros only: units with
// instruction sets of their own include this. Compilers for MSVC's ABI that are Clang take GCC's
// branch; MSVC itself has not been run.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#define PYENGINE_X86_64
#elif defined(__aarch64__) || defined(_M_ARM64)
#define PYENGINE_ARM64
#endif

#if defined(__GNUC__) || defined(__clang__)

// Arithmetic and comparisons on `T __attribute__((vector_size(n)))`, and statements of asm.
#define PYENGINE_GNU_VECTORS
#define PYENGINE_GNU_ASM
// Loops over a register block must vanish before the compiler decides what lives in registers.
#define PYENGINE_UNROLL _Pragma("GCC unroll 16")
// Where compilers judge a function too large for its callers, but its arguments live in registers.
#define PYENGINE_INLINE __attribute__((always_inline)) static inline
#define PYENGINE_INLINE_LAMBDA __attribute__((always_inline))
#define PYENGINE_NOINLINE __attribute__((noinline)) static
#define PYENGINE_INFINITY __builtin_inff()
#define PYENGINE_SQRT(x) __builtin_sqrt(x)
// Hints to the caches. SECOND_LEVEL: to be read, but not at once.
#define PYENGINE_PREFETCH(p) __builtin_prefetch(p)
#define PYENGINE_PREFETCH_SECOND_LEVEL(p) __builtin_prefetch(p, 0, 2)
#define PYENGINE_PREFETCH_FOR_STORE(p) __builtin_prefetch(p, 1)
// Tells the processor that this thread waits for another.
#if defined(PYENGINE_X86_64)
#define PYENGINE_PAUSE() __builtin_ia32_pause()
#elif defined(PYENGINE_ARM64)
#define PYENGINE_PAUSE() __asm__ volatile("isb")
#else
#define PYENGINE_PAUSE()
#endif

#elif defined(_MSC_VER)

#include <intrin.h>
#include <math.h>

#define PYENGINE_UNROLL
#define PYENGINE_INLINE static __forceinline
#define PYENGINE_INLINE_LAMBDA [[msvc::forceinline]]
#define PYENGINE_NOINLINE __declspec(noinline) static
#define PYENGINE_INFINITY __builtin_huge_valf()
#define PYENGINE_SQRT(x) sqrt(x)
#if defined(PYENGINE_X86_64)
#define PYENGINE_PREFETCH(p) _mm_prefetch((const char*)(p), _MM_HINT_T0)
#define PYENGINE_PREFETCH_SECOND_LEVEL(p) _mm_prefetch((const char*)(p), _MM_HINT_T1)
#define PYENGINE_PREFETCH_FOR_STORE(p) _mm_prefetch((const char*)(p), _MM_HINT_T0)
#define PYENGINE_PAUSE() _mm_pause()
#else
#define PYENGINE_PREFETCH(p) __prefetch(p)
#define PYENGINE_PREFETCH_SECOND_LEVEL(p) __prefetch2(p, 2)  // PLDL2KEEP
#define PYENGINE_PREFETCH_FOR_STORE(p) __prefetch2(p, 16)    // PSTL1KEEP
#define PYENGINE_PAUSE() __isb(_ARM64_BARRIER_SY)
#endif

#else
#error "pyengine knows GCC, Clang and MSVC: add a branch to core/compiler.h"
#endif
