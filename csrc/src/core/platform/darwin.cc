// What macOS has of its own. Compiled as a check of portability; it has not been run.
#include <fcntl.h>
#include <mach/mach.h>
#include <pthread.h>
#include <pthread/qos.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "core/platform/available_memory.h"
#include "core/platform/posix.h"
#include "core/platform/processors.h"
#include "core/platform/threads.h"

namespace pyengine {
namespace {

// A number that the system keeps under a name; 0 where it does not.
int64_t SystemNumber(const char* name) {
  int64_t value = 0;
  size_t size = sizeof value;
  return ::sysctlbyname(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

}  // namespace

std::string FileOfLibrary(void* /*handle*/, const std::string& asked) {
  return asked;
}

int ReserveFile(int file, int64_t bytes) noexcept {
  fstore_t store{};
  store.fst_flags = F_ALLOCATEALL;
  store.fst_posmode = F_PEOFPOSMODE;
  store.fst_length = bytes;
  if (::fcntl(file, F_PREALLOCATE, &store) == -1) return errno;
  return ::ftruncate(file, bytes) == 0 ? 0 : errno;
}

// Threads cannot be pinned. Of Apple's processors the fast cores count: loops end with their
// slowest thread.
HardwareThreads AllowedThreads(const std::string& /*root*/) {
  const int64_t fast = SystemNumber("hw.perflevel0.physicalcpu");
  return {.numbers = {},
          .cores = static_cast<int>(fast > 0 ? fast : SystemNumber("hw.physicalcpu"))};
}

double GrantedCores(const std::string& /*root*/) {
  return std::numeric_limits<double>::infinity();
}

int64_t LargestListedCacheBytes(const std::string& /*root*/) {
  return std::max({SystemNumber("hw.l2cachesize"), SystemNumber("hw.l3cachesize"),
                   SystemNumber("hw.perflevel0.l2cachesize")});
}

int64_t AvailableMemoryBytes(const std::string& /*root*/) {
  vm_statistics64_data_t pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  if (::host_statistics64(::mach_host_self(), HOST_VM_INFO64,
                          reinterpret_cast<host_info64_t>(&pages), &count) != KERN_SUCCESS)
    return 0;
  const int64_t left = int64_t(pages.free_count) + pages.inactive_count + pages.purgeable_count;
  return left * SystemNumber("hw.pagesize");
}

bool NameThisThread(const char* name) noexcept {
  return pthread_setname_np(name) == 0;
}

bool KeepThisThreadOn(const int* /*hardware_threads*/, size_t /*count*/) noexcept {
  return false;
}

bool ScheduleThisThread(ThreadPolicy policy, int priority) noexcept {
  sched_param param{};
  param.sched_priority = priority;
  switch (policy) {
    case ThreadPolicy::kNormal:
      // A nice value counts for a whole process here.
      return pthread_set_qos_class_self_np(priority < 0    ? QOS_CLASS_USER_INITIATED
                                           : priority == 0 ? QOS_CLASS_DEFAULT
                                                           : QOS_CLASS_UTILITY,
                                           0) == 0;
    case ThreadPolicy::kFifo:
      return pthread_setschedparam(pthread_self(), SCHED_FIFO, &param) == 0;
    case ThreadPolicy::kRoundRobin:
      return pthread_setschedparam(pthread_self(), SCHED_RR, &param) == 0;
  }
  return false;
}

}  // namespace pyengine
