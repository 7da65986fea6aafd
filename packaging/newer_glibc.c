/* What GCC's libstdc++.a asks of later versions of glibc than 2.28; see old_glibc. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

/* Since 2.32: 0 says that there may be other threads, which is always safe. */
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

/* Since 2.36: std::random_device takes its numbers from it. */
__attribute__((visibility("hidden"))) uint32_t arc4random(void) {
  uint32_t value;
  if (getentropy(&value, sizeof value) != 0) abort();
  return value;
}
