#include "core/worker_thread.h"

#include <future>
#include <string>
#include <system_error>
#include <utility>

#include "core/platform/threads.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

enum class Grant { kAll, kNotCores, kNotSchedule };

// Of the calling thread.
Grant Ask(const ThreadOptions& options) noexcept {
  if (!options.cores.empty() && !KeepThisThreadOn(options.cores.data(), options.cores.size()))
    return Grant::kNotCores;
  const bool schedule = options.policy != ThreadPolicy::kNormal || options.priority != 0;
  if (schedule && !ScheduleThisThread(options.policy, options.priority)) return Grant::kNotSchedule;
  return Grant::kAll;
}

std::string WhyNot(Grant grant, const ThreadOptions& options) {
  if (grant == Grant::kNotSchedule)
    return std::string("the system gives this process no thread of ") +
           (options.policy == ThreadPolicy::kNormal ? "nice value " : "real-time priority ") +
           std::to_string(options.priority) + "; that may need a privilege or a higher limit";
  std::string numbers;
  for (const int number : options.cores)
    numbers += (numbers.empty() ? "" : ", ") + std::to_string(number);
  return "the system keeps no thread of this process on cores " + numbers;
}

std::thread Started(auto&& work) {
  try {
    return std::thread(std::forward<decltype(work)>(work));
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::kOutOfMemory,
                std::string("the system has no thread to give: ") + error.what());
  }
}

}  // namespace

std::thread StartWorker(std::function<void()> work, const WorkerTraits& traits) {
  const SignalsBlocked blocked;
  std::promise<Grant> granted;
  std::future<Grant> answer = granted.get_future();
  // What the thread needs is copied here: there, nobody could catch a failed allocation.
  std::thread thread =
      Started([work = std::move(work), traits, granted = std::move(granted)]() mutable {
        NameThisThread(traits.options.name.empty() ? traits.name : traits.options.name.c_str());
        if (traits.pin >= 0) KeepThisThreadOn(&traits.pin, 1);
        const Grant grant = Ask(traits.options);
        granted.set_value(grant);
        if (grant == Grant::kAll) work();
      });
  if (!Demanding(traits.options)) return thread;
  const Grant grant = answer.get();
  if (grant == Grant::kAll) return thread;
  thread.join();
  throw Error(ErrorCode::kUnsupported, WhyNot(grant, traits.options));
}

}  // namespace pyengine
