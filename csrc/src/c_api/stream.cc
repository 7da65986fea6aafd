// Streams of frames.
#include <algorithm>

#include "c_api/convert.h"
#include "c_api/guard.h"
#include "c_api/handle.h"
#include "c_api/structs.h"
#include "core/steady_clock.h"
#include "pyengine/c_api.h"

using namespace pyengine;     // NOLINT(google-build-using-namespace): their C face
using namespace pyengine::c;  // NOLINT(google-build-using-namespace)

namespace {

FrameStream& StreamOf(pye_stream* handle) {
  RequirePointer(handle, "stream");
  return handle->stream;
}

pye_durations DurationsOf(const Percentiles& p) {
  return {.p50_ns = p.p50_ns, .p90_ns = p.p90_ns, .p99_ns = p.p99_ns, .max_ns = p.max_ns};
}

}  // namespace

void pye_stream_options_init(pye_stream_options* options, size_t size) {
  Init(options, size, pye_stream_options{});
}

void pye_frame_init(pye_frame* frame, size_t size) {
  Init(frame, size, FrameDefaults());
}

pye_status pye_stream_open(const pye_engine* engine, const pye_stream_options* options,
                           pye_stream** stream) {
  if (stream) *stream = nullptr;
  return Guard([&] {
    RequirePointer(stream, "stream");
    const Engine& opened_on = EngineOf(engine);
    std::unique_ptr<pye_stream> opened(
        new pye_stream{.engine = *engine, .stream = {opened_on, OptionsOf(options)}});
    const std::scoped_lock lock(engine->mutex);
    engine->streams.push_back(&opened->stream);
    *stream = opened.release();
  });
}

pye_status pye_stream_submit(pye_stream* stream, const pye_frame* frame,
                             pye_submission* submission) {
  bool refused = false;
  const pye_status status = Guard([&] {
    if (submission != nullptr) StructSize(*submission, "pye_submission");
    const Submission s = StreamOf(stream).Submit(FrameOf(frame));
    refused = s.refused;
    if (submission != nullptr)
      Fill(submission,
           {.size = 0,
            .number = s.number,
            .replaced_number = s.replaced_number,
            .replaced_user = s.replaced_user},
           "pye_submission");
  });
  // Usual in a busy stream, so it costs no exception.
  return refused ? Remember(PYE_BUSY, "the stream is busy, and its policy keeps the frame out")
                 : status;
}

pye_status pye_stream_take(pye_stream* stream, int64_t timeout_ns, pye_result* result) {
  return Guard([&] {
    RequirePointer(result, "result");
    StructSize(*result, "pye_result");
    Fill(result, ResultOf(StreamOf(stream).Take(timeout_ns)), "pye_result");
  });
}

pye_status pye_stream_release(pye_stream* stream, int64_t number) {
  return Guard([&] { StreamOf(stream).Release(number); });
}

pye_status pye_stream_cancel(pye_stream* stream, int64_t number) {
  return Guard([&] { StreamOf(stream).Cancel(number); });
}

pye_status pye_stream_flush(pye_stream* stream, int64_t timeout_ns) {
  return Guard([&] { StreamOf(stream).Flush(timeout_ns); });
}

pye_status pye_stream_resize(pye_stream* stream, int64_t height, int64_t width, int64_t slices) {
  return Guard([&] { StreamOf(stream).Resize(height, width, slices); });
}

pye_status pye_stream_stop(pye_stream* stream, int32_t ending) {
  return Guard([&] { StreamOf(stream).Stop(EndingOf(ending)); });
}

pye_status pye_stream_close(pye_stream* stream, int32_t ending) {
  return Guard([&] {
    if (stream == nullptr) return;
    stream->stream.Stop(EndingOf(ending));
    {
      const std::scoped_lock lock(stream->engine.mutex);
      std::erase(stream->engine.streams, &stream->stream);
    }
    delete stream;
  });
}

pye_status pye_stream_statistics(const pye_stream* stream, pye_stream_stats* stats) {
  return Guard([&] {
    RequirePointer(stream, "stream");
    const auto [c, pending] = stream->stream.counts();
    const Durations::Summary d = stream->stream.durations();
    Fill(stats,
         {.size = 0,
          .submitted = c.ended() + pending,
          .done = c.done,
          .late = c.late,
          .replaced = c.replaced,
          .expired = c.expired,
          .cancelled = c.cancelled,
          .failed = c.failed,
          .refused = c.refused,
          .pending = pending,
          .lost = c.lost,
          .results = d.count,
          .age = DurationsOf(d.age),
          .compute = DurationsOf(d.compute),
          .memory_bytes = stream->stream.memory_bytes()},
         "pye_stream_stats");
  });
}

int64_t pye_now_ns(void) {
  return NowNs();
}
