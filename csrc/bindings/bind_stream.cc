// Live frames from Python. The stream's own thread never waits for Python's lock: what ended lies
// here until a thread of Python's fetches it.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "bind.h"
#include "borrowed_image.h"
#include "core/platform/threads.h"
#include "gil.h"
#include "pyengine/engine.h"
#include "pyengine/error.h"
#include "stream/frame_stream.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace pyengine {
namespace {

// What a frame under way keeps alive. Made and destroyed with the lock.
struct Pending {
  BorrowedImage image;
  py::array out;
  py::object token;  // the caller's, comes back with the end
};

// A frame's end.
struct FrameEnd {
  std::unique_ptr<Pending> pending;
  FrameResult result;
  std::string message;

  // What a failed frame failed with.
  void Check() const {
    if (result.status == FrameStatus::kFailed) throw Error(result.error, message);
  }
  py::object Data() const { return result.data == nullptr ? py::none() : py::object(pending->out); }
};

class Stream {
 public:
  Stream(const Engine& engine, StreamOptions options) {
    options.done = [this](const FrameResult& result) { Push(result); };
    options.segment.progress = nullptr;  // it would ask for the lock
    if (auto told = std::move(options.progress))
      options.progress = [told = std::move(told)](const FrameResult& result, int64_t done) {
        const py::gil_scoped_acquire gil;
        return told(result, done);
      };
    WithoutGil([&] { stream_ = std::make_unique<FrameStream>(engine, std::move(options)); });
  }
  // Stop() came before: no frame is under way, whose computation might ask for the lock.
  ~Stream() {
    // A forked process has the stream's memory, but not its thread.
    if (forks_ != Forks()) (void)stream_.release();
  }

  // With the lock: this waits for nothing, and getting the lock back would.
  py::tuple Submit(const BorrowedImage& image, int64_t slices, int64_t slice_stride_bytes,
                   py::array out, int64_t deadline_ns, py::object token) {
    void* const data = out.mutable_data();
    auto pending = std::make_unique<Pending>(Pending{image, std::move(out), std::move(token)});
    const Submission told = stream_->Submit({.image = image.view,
                                             .slices = slices,
                                             .slice_stride_bytes = slice_stride_bytes,
                                             .result = data,
                                             .deadline_ns = deadline_ns,
                                             .user = pending.get()});
    if (!told.refused) (void)pending.release();  // Push() has it, who needs the lock for its end
    py::object replaced = py::none();
    if (told.replaced_number != 0) {
      const std::unique_ptr<Pending> gone(static_cast<Pending*>(told.replaced_user));
      replaced = gone->token;
    }
    return py::make_tuple(told.number, told.refused, told.replaced_number, replaced);
  }

  // The next end; None once the stream was stopped and all are told.
  std::unique_ptr<FrameEnd> Wait() {
    std::unique_ptr<FrameEnd> end;
    WithoutGil([&] {
      std::unique_lock<std::mutex> lock(mutex_);
      arrived_.wait(lock, [&] { return stopped_ || !ends_.empty(); });
      if (ends_.empty()) return;
      end = std::move(ends_.front());
      ends_.pop_front();
    });
    return end;
  }

  void Cancel(int64_t number) { stream_->Cancel(number); }
  void Resize(int64_t height, int64_t width, int64_t slices) {
    WithoutGil([&] { stream_->Resize(height, width, slices); });
  }
  bool Flush(int64_t timeout_ns) {
    bool flushed = true;
    WithoutGil([&] {
      try {
        stream_->Flush(timeout_ns);
      } catch (const Error& e) {
        if (e.code() != ErrorCode::kTimeout) throw;
        flushed = false;
      }
    });
    return flushed;
  }
  // Discards what has not ended. A forked process has nothing to stop.
  void Stop() {
    if (forks_ != Forks()) return;
    WithoutGil([&] {
      stream_->Stop(StreamEnding::kDiscard);
      const std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
      arrived_.notify_all();
    });
  }

  py::dict Statistics() const {
    const FrameStream::Counts counts = stream_->counts();
    const StreamCounts& c = counts.ended;
    const Durations::Summary summary = stream_->durations();
    const auto seconds = [](const Percentiles& p) {
      return py::make_tuple(
          1e-9 * static_cast<double>(p.p50_ns), 1e-9 * static_cast<double>(p.p90_ns),
          1e-9 * static_cast<double>(p.p99_ns), 1e-9 * static_cast<double>(p.max_ns));
    };
    return py::dict("submitted"_a = c.ended() + counts.pending, "done"_a = c.done,
                    "late"_a = c.late, "replaced"_a = c.replaced, "expired"_a = c.expired,
                    "cancelled"_a = c.cancelled, "failed"_a = c.failed, "refused"_a = c.refused,
                    "pending"_a = counts.pending, "results"_a = summary.count,
                    "age"_a = seconds(summary.age), "compute"_a = seconds(summary.compute),
                    "memory_bytes"_a = stream_->memory_bytes());
  }

 private:
  // On the stream's thread, without the lock.
  void Push(const FrameResult& result) {
    auto end = std::make_unique<FrameEnd>();
    end->pending.reset(static_cast<Pending*>(result.user));
    end->result = result;
    end->message = result.message;
    const std::lock_guard<std::mutex> lock(mutex_);
    ends_.push_back(std::move(end));
    arrived_.notify_one();
  }

  const uint64_t forks_ = Forks();
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::unique_ptr<FrameEnd>> ends_;
  bool stopped_ = false;
  std::unique_ptr<FrameStream> stream_;  // last: its thread uses the others
};

StreamOptions OptionsOf(int64_t height, int64_t width, int64_t slices, PixelType type,
                        FramePolicy policy, bool copy, int64_t queue, OutputKind output,
                        int64_t deadline_ns, LatePolicy late, int64_t statistics,
                        const SegmentOptions& segment, const ThreadOptions& thread,
                        const py::object& progress) {
  StreamOptions options{.height = height,
                        .width = width,
                        .slices = slices,
                        .type = type,
                        .policy = policy,
                        .copy = copy,
                        .queue = queue,
                        .output = output,
                        .deadline_ns = deadline_ns,
                        .late = late,
                        .done = nullptr,
                        .progress = nullptr,
                        .segment = segment,
                        .statistics = statistics,
                        .thread = thread};
  if (!progress.is_none())
    options.progress = [progress](const FrameResult& result, int64_t done) {
      const auto* pending = static_cast<const Pending*>(result.user);
      return progress(pending->token, done, result.slices).template cast<bool>();
    };
  return options;
}

}  // namespace

void BindStream(py::module_& m) {
  py::enum_<FramePolicy>(m, "FramePolicy")
      .value("newest", FramePolicy::kNewest)
      .value("all", FramePolicy::kAll)
      .value("reject", FramePolicy::kReject);
  py::enum_<LatePolicy>(m, "LatePolicy")
      .value("finish", LatePolicy::kFinish)
      .value("cancel", LatePolicy::kCancel);
  py::enum_<FrameStatus>(m, "FrameStatus")
      .value("done", FrameStatus::kDone)
      .value("late", FrameStatus::kLate)
      .value("replaced", FrameStatus::kReplaced)
      .value("expired", FrameStatus::kExpired)
      .value("cancelled", FrameStatus::kCancelled)
      .value("failed", FrameStatus::kFailed);
  py::class_<FrameEnd>(m, "FrameEnd", "A frame's end; times are seconds of time.monotonic().")
      .def("check", &FrameEnd::Check)
      .def_property_readonly("token", [](const FrameEnd& e) { return e.pending->token; })
      .def_property_readonly("data", &FrameEnd::Data)
      .def_property_readonly("number", [](const FrameEnd& e) { return e.result.number; })
      .def_property_readonly("status", [](const FrameEnd& e) { return e.result.status; })
      .def_property_readonly("submit_ns", [](const FrameEnd& e) { return e.result.submit_ns; })
      .def_property_readonly("begin_ns", [](const FrameEnd& e) { return e.result.begin_ns; })
      .def_property_readonly("end_ns", [](const FrameEnd& e) { return e.result.end_ns; });
  py::class_<Stream>(m, "Stream")
      .def(py::init([](const Engine& engine, int64_t height, int64_t width, int64_t slices,
                       PixelType type, FramePolicy policy, bool copy, int64_t queue,
                       OutputKind output, int64_t deadline_ns, LatePolicy late, int64_t statistics,
                       const SegmentOptions& segment, const ThreadOptions& thread,
                       const py::object& progress) {
             return std::make_unique<Stream>(
                 engine, OptionsOf(height, width, slices, type, policy, copy, queue, output,
                                   deadline_ns, late, statistics, segment, thread, progress));
           }),
           py::keep_alive<1, 2>(), "engine"_a, py::kw_only(), "height"_a, "width"_a, "slices"_a,
           "type"_a, "policy"_a, "copy"_a, "queue"_a, "output"_a, "deadline_ns"_a, "late"_a,
           "statistics"_a, "segment"_a, "thread"_a, "progress"_a)
      .def("submit", &Stream::Submit, "image"_a, "slices"_a, "slice_stride_bytes"_a, "out"_a,
           "deadline_ns"_a, "token"_a)
      .def("wait", &Stream::Wait)
      .def("cancel", &Stream::Cancel, "number"_a)
      .def("resize", &Stream::Resize, "height"_a, "width"_a, "slices"_a)
      .def("flush", &Stream::Flush, "timeout_ns"_a)
      .def("stop", &Stream::Stop)
      .def("statistics", &Stream::Statistics);
}

}  // namespace pyengine
