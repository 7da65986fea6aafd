// Makes chosen calls to the C library fail. Linked into a test, or loaded before a program by
// LD_PRELOAD.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// The n-th call from now on (from 1) of `kind` fails, once. Kinds: "malloc" (all ways to allocate),
// "mmap", "pthread_create", "read", "write", "fsync", "rename". `error`: what errno says then; 0:
// the usual one of the kind. n = 0: none fails any more.
void fault_arm(const char* kind, long n, int error);
// Whether the last armed call came, and failed.
int fault_struck(void);
// Blocks of memory that are allocated now.
long fault_live_blocks(void);

#ifdef __cplusplus
}
#endif
