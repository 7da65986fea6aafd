// glibc only: its malloc has second names, by which calls go on; other functions are the next of
// their name.
#define _GNU_SOURCE
#include "interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

enum Kind { MALLOC, MMAP, PTHREAD_CREATE, READ, WRITE, FSYNC, RENAME, KINDS };
static const char* const kNames[KINDS] = {"malloc", "mmap",  "pthread_create", "read",
                                          "write",  "fsync", "rename"};
static const int kErrors[KINDS] = {ENOMEM, ENOMEM, EAGAIN, EIO, EIO, EIO, EIO};

static atomic_long calls_left[KINDS];
static atomic_int struck, chosen_error;
static atomic_long live_blocks;

void fault_arm(const char* kind, long n, int error) {
  for (int i = 0; i < KINDS; ++i) atomic_store(&calls_left[i], 0);
  if (n > 0) atomic_store(&struck, 0);
  atomic_store(&chosen_error, error);
  for (int i = 0; i < KINDS; ++i)
    if (strcmp(kind, kNames[i]) == 0) atomic_store(&calls_left[i], n);
}
int fault_struck(void) {
  return atomic_load(&struck);
}
long fault_live_blocks(void) {
  return atomic_load(&live_blocks);
}

// Whether this call fails; sets errno then.
static int Fails(enum Kind kind) {
  if (atomic_load(&calls_left[kind]) <= 0) return 0;
  if (atomic_fetch_sub(&calls_left[kind], 1) != 1) return 0;
  atomic_store(&struck, 1);
  const int error = atomic_load(&chosen_error);
  errno = error ? error : kErrors[kind];
  return 1;
}

// ---- memory

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

static void* Counted(void* block) {
  if (block) atomic_fetch_add(&live_blocks, 1);
  return block;
}
void* malloc(size_t size) {
  return Fails(MALLOC) ? NULL : Counted(__libc_malloc(size));
}
void* calloc(size_t count, size_t size) {
  return Fails(MALLOC) ? NULL : Counted(__libc_calloc(count, size));
}
void* realloc(void* block, size_t size) {
  if (Fails(MALLOC)) return NULL;
  void* moved = __libc_realloc(block, size);
  if (!block) return Counted(moved);
  if (!moved && size == 0) atomic_fetch_sub(&live_blocks, 1);
  return moved;
}
void* memalign(size_t alignment, size_t size) {
  return Fails(MALLOC) ? NULL : Counted(__libc_memalign(alignment, size));
}
void* aligned_alloc(size_t alignment, size_t size) {
  return memalign(alignment, size);
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  void* made = memalign(alignment, size);
  if (!made) return ENOMEM;
  *block = made;
  return 0;
}
void free(void* block) {
  if (block) atomic_fetch_sub(&live_blocks, 1);
  __libc_free(block);
}

// ---- the rest

// The function behind ours.
#define NEXT(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))

void* mmap(void* at, size_t size, int protection, int flags, int file, off_t offset) {
  if (Fails(MMAP)) return MAP_FAILED;
  return NEXT(mmap)(at, size, protection, flags, file, offset);
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* given) {
  if (Fails(PTHREAD_CREATE)) return errno;
  return NEXT(pthread_create)(thread, attributes, run, given);
}

ssize_t read(int file, void* to, size_t size);
ssize_t pread(int file, void* to, size_t size, off_t offset);
ssize_t pread64(int file, void* to, size_t size, off64_t offset);
ssize_t write(int file, const void* from, size_t size);
ssize_t pwrite(int file, const void* from, size_t size, off_t offset);
ssize_t pwrite64(int file, const void* from, size_t size, off64_t offset);
int fsync(int file);
int fdatasync(int file);
int rename(const char* from, const char* to);
int renameat(int from_folder, const char* from, int to_folder, const char* to);

ssize_t read(int file, void* to, size_t size) {
  return Fails(READ) ? -1 : NEXT(read)(file, to, size);
}
ssize_t pread(int file, void* to, size_t size, off_t offset) {
  return Fails(READ) ? -1 : NEXT(pread)(file, to, size, offset);
}
ssize_t pread64(int file, void* to, size_t size, off64_t offset) {
  return Fails(READ) ? -1 : NEXT(pread64)(file, to, size, offset);
}
ssize_t write(int file, const void* from, size_t size) {
  return Fails(WRITE) ? -1 : NEXT(write)(file, from, size);
}
ssize_t pwrite(int file, const void* from, size_t size, off_t offset) {
  return Fails(WRITE) ? -1 : NEXT(pwrite)(file, from, size, offset);
}
ssize_t pwrite64(int file, const void* from, size_t size, off64_t offset) {
  return Fails(WRITE) ? -1 : NEXT(pwrite64)(file, from, size, offset);
}
int fsync(int file) {
  return Fails(FSYNC) ? -1 : NEXT(fsync)(file);
}
int fdatasync(int file) {
  return Fails(FSYNC) ? -1 : NEXT(fdatasync)(file);
}
int rename(const char* from, const char* to) {
  return Fails(RENAME) ? -1 : NEXT(rename)(from, to);
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  return Fails(RENAME) ? -1 : NEXT(renameat)(from_folder, from, to_folder, to);
}
