// Frames in at a scanner's rate, results of known age out.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/platform/threads.h"
#include "pyengine/engine.h"
#include "stream/deadline_judge.h"
#include "stream/durations.h"
#include "stream/frame.h"
#include "stream/frame_queue.h"
#include "stream/slot.h"

namespace pyengine {

// pye_stream_options of C, whose words they are.
struct StreamOptions {
  int64_t height = 0, width = 0, slices = 1;  // of the largest frame
  PixelType type = PixelType::kUint8;
  FramePolicy policy = FramePolicy::kNewest;
  bool copy = false;
  int64_t queue = 8;
  int64_t results = 4;
  OutputKind output = OutputKind::kLabels;
  int64_t deadline_ns = 0;
  LatePolicy late = LatePolicy::kFinish;
  std::function<void(const FrameResult&)> done;  // empty: results are fetched by Take
  std::function<bool(const FrameResult&, int64_t done)> progress;
  SegmentOptions segment;
  int64_t statistics = 1000;
  ThreadOptions thread = {};  // of the stream's own
};

// Of frames that ended.
struct StreamCounts {
  int64_t done = 0, late = 0, replaced = 0, expired = 0, cancelled = 0, failed = 0, refused = 0;
  int64_t lost = 0;  // results that nobody took; they count above, too
  int64_t ended() const { return done + late + replaced + expired + cancelled + failed + refused; }
};

// One thread of its own takes frames in their order, has them segmented and tells of them. All
// methods may be called from several threads at once. Nothing is allocated for a frame that fits
// and does not fail.
class FrameStream {
 public:
  // Computes a frame of zeros, so that plans and memory are there. `engine` outlives the stream.
  FrameStream(const Engine& engine, StreamOptions options);
  ~FrameStream();  // discards what has not ended
  FrameStream(const FrameStream&) = delete;
  FrameStream& operator=(const FrameStream&) = delete;

  // Throws Error(kInvalidArgument) for what cannot be a frame, Error(kCancelled) once stopped.
  Submission Submit(const Frame& frame);
  // Throws Error(kTimeout), Error(kCancelled) where none will come.
  FrameResult Take(int64_t timeout_ns);
  void Release(int64_t number);
  void Cancel(int64_t number);
  void Flush(int64_t timeout_ns);
  void Resize(int64_t height, int64_t width, int64_t slices);
  void Stop(StreamEnding ending);

  struct Counts {
    StreamCounts ended;
    int64_t pending = 0;
  };
  Counts counts() const;
  int64_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }
  Durations::Summary durations() const { return durations_.Summarise(); }

 private:
  using Lock = std::unique_lock<std::mutex>;

  SlotSizes SizesFor(int64_t height, int64_t width, int64_t slices) const;
  void CheckFrame(const Frame& frame, const SlotSizes& sizes) const;
  void RequireOtherThread(const char* what) const;
  // Waits for `ready`; false after `timeout_ns` (negative: never).
  template <class Ready>
  bool WaitFor(Lock& lock, std::condition_variable& changed, int64_t timeout_ns, Ready ready);

  // Under the lock.
  Slot* PlaceFor(Submission& submission);
  Slot* FindSlot(int64_t number);
  void Free(Slot& slot);
  void End(Slot& slot);

  void RunThread();
  void Compute(Slot& slot);
  void ComputeSlices(Slot& slot);
  void Tell(const FrameResult& result) noexcept;

  // Threads do not follow a fork.
  void RequireThread() const;

  const Engine& engine_;
  const StreamOptions options_;
  const uint64_t forks_ = Forks();
  const std::function<bool()> too_late_;  // asked while a frame is at work
  Durations durations_;
  std::vector<std::unique_ptr<Slot>> slots_;

  mutable std::mutex mutex_;
  std::condition_variable arrived_, ended_;  // a frame to compute; a frame that ended
  SlotSizes sizes_;
  FrameQueue waiting_, untaken_;
  int64_t pending_ = 0;  // filling, waiting or running
  int64_t taken_ = 0;
  int64_t last_number_ = 0;
  StreamCounts counts_;
  bool stopped_ = false;
  std::exception_ptr why_not_ready_;
  bool ready_ = false;

  std::atomic<int64_t> memory_bytes_{0};
  // Of the stream's own thread.
  DeadlineJudge judge_;
  int64_t running_deadline_ns_ = 0;
  std::thread thread_;  // last: it uses all of them
};

}  // namespace pyengine
