#include "core/worker_thread.h"

#include <utility>

namespace pyengine {

std::thread StartWorker(std::function<void()> work, const WorkerTraits& traits) {
  const SignalsBlocked blocked;
  return std::thread([work = std::move(work), traits] {
    NameThisThread(traits.name);
    if (traits.place >= 0) PinThisThread(traits.place);
    if (traits.priority != ThreadPriority::kNormal) SetThisThreadPriority(traits.priority);
    work();
  });
}

}  // namespace pyengine
