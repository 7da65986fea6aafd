// A scanner that never waits for the network: frames at a fixed rate, results of known age.
//
//   scanner oct-fluid.pyengine --rate 30 --seconds 10
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "buffers.h"
#include "camera.h"
#include "durations.h"
#include "frames.h"
#include "pyengine/pyengine.hpp"
#include "settings.h"

namespace scanner {
namespace {

// Frames per second that plain calls compute, from the shortest of a few.
double EngineRate(const pye::Engine& engine, const Frames& frames) {
  std::vector<uint8_t> labels(frames.all[0].size());
  const pye_image image = pye::ImageOf(frames.all[0].data(), frames.height, frames.width);
  double shortest_s = 1e9;
  for (int i = 0; i < 5; ++i) {
    const int64_t begin = pye_now_ns();
    engine.Labels(image, labels.data(), frames.width);
    shortest_s = std::min(shortest_s, static_cast<double>(pye_now_ns() - begin) / 1e9);
  }
  return 1 / shortest_s;
}

void PrintList(const char* name, const std::vector<double>& values) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.3f", i ? ", " : "", values[i]);
  std::printf("]");
}

// What the callback and the camera learn. Each writes its own; read when both are done.
struct Report {
  explicit Report(size_t frames) : ages(frames), computes(frames), submits(frames) {}

  Durations ages, computes;  // the stream's thread
  Durations submits;         // the camera's
  int64_t without_buffer = 0;

  void Print(const pye_stream_stats& s, double rate_hz, bool json) const {
    const auto count = [](int64_t value) { return static_cast<long long>(value); };
    if (json) {
      std::printf(
          "{\"rate_hz\": %.3f, \"submitted\": %lld, \"done\": %lld, \"late\": %lld, "
          "\"replaced\": %lld, \"expired\": %lld, \"refused\": %lld, \"failed\": %lld, "
          "\"without_buffer\": %lld, ",
          rate_hz, count(s.submitted), count(s.done), count(s.late), count(s.replaced),
          count(s.expired), count(s.refused), count(s.failed), count(without_buffer));
      std::printf(
          "\"age_p50_ms\": %.3f, \"age_p99_ms\": %.3f, \"age_max_ms\": %.3f, "
          "\"compute_p50_ms\": %.3f, \"compute_p99_ms\": %.3f, \"submit_p50_us\": %.2f, "
          "\"submit_p99_us\": %.2f, ",
          ages.Percentile(0.5), ages.Percentile(0.99), ages.Percentile(1), computes.Percentile(0.5),
          computes.Percentile(0.99), 1e3 * submits.Percentile(0.5), 1e3 * submits.Percentile(0.99));
      PrintList("age_p50_ms_by_tenth", ages.ByTenth(0.5));
      std::printf(", ");
      PrintList("age_p99_ms_by_tenth", ages.ByTenth(0.99));
      std::printf("}\n");
      return;
    }
    std::printf(
        "%lld frames at %.1f/s: %lld done, %lld late, %lld replaced, %lld expired, "
        "%lld refused, %lld failed\n",
        count(s.submitted), rate_hz, count(s.done), count(s.late), count(s.replaced),
        count(s.expired), count(s.refused), count(s.failed));
    std::printf(
        "age p50 %.1f ms, p99 %.1f ms, max %.1f ms; compute p50 %.1f ms; submit p99 %.1f us\n",
        ages.Percentile(0.5), ages.Percentile(0.99), ages.Percentile(1), computes.Percentile(0.5),
        1e3 * submits.Percentile(0.99));
  }
};

void Run(const Settings& settings) {
  pye::EngineOptions engine_options;
  engine_options.threads = settings.threads;
  const auto engine = pye::Engine::Open(settings.engine, engine_options);
  const Frames frames = settings.source.empty()
                            ? Phantom(settings.height, settings.width, 16)
                            : ReadRaw(settings.source, settings.height, settings.width);
  Timing timing = settings.timing;
  if (settings.load > 0) timing.rate_hz = settings.load * EngineRate(engine, frames);
  if (settings.seconds > 0) timing.frames = static_cast<int64_t>(settings.seconds * timing.rate_hz);

  // Memory for all that happens lies ready before the first frame.
  Report report(static_cast<size_t>(timing.frames));
  const size_t bytes = frames.all[0].size();
  pye::StreamOptions options;
  options.height = frames.height;
  options.width = frames.width;
  options.type = PYE_UINT8;
  options.policy = settings.policy;
  options.deadline_ns = static_cast<int64_t>(1e6 * settings.deadline_ms);
  const size_t waiting = settings.policy == PYE_POLICY_ALL
                             ? static_cast<size_t>(options.queue > 0 ? options.queue : 8)
                             : 1;
  Buffers buffers(waiting + 3, bytes);
  options.on_done = [&](const pye_result& result) {
    buffers.Give(result.user);
    if (result.data == nullptr) return;
    report.ages.Add(result.end_ns - result.submit_ns);
    report.computes.Add(result.end_ns - result.begin_ns);
    if (!settings.verbose) return;
    const auto* labels = static_cast<const uint8_t*>(result.data);
    int64_t marked = 0;
    for (size_t i = 0; i < bytes; ++i) marked += labels[i] != 0;
    std::printf("frame %lld: %.1f ms old, %.2f %% marked%s\n",
                static_cast<long long>(result.number),
                static_cast<double>(result.end_ns - result.submit_ns) / 1e6,
                100.0 * static_cast<double>(marked) / static_cast<double>(bytes),
                result.status == PYE_FRAME_LATE ? ", late" : "");
  };
  auto stream = pye::Stream::Open(engine, options);

  Camera camera(timing, [&](int64_t number) {
    uint8_t* const pixels = buffers.Take();
    if (pixels == nullptr) {
      ++report.without_buffer;
      return;
    }
    std::memcpy(pixels, frames.all[static_cast<size_t>(number) % frames.all.size()].data(), bytes);
    pye_frame frame = pye::FrameOf(pye::ImageOf(pixels, frames.height, frames.width));
    frame.user = pixels;
    pye_submission submission{};
    submission.size = sizeof(submission);
    const int64_t begin = pye_now_ns();
    const bool taken = stream.Submit(frame, &submission);
    report.submits.Add(pye_now_ns() - begin);
    if (!taken) buffers.Give(pixels);
    if (submission.replaced_number != 0) buffers.Give(submission.replaced_user);
  });
  camera.Wait();
  stream.Flush();
  report.Print(stream.Statistics(), timing.rate_hz, settings.json);
  stream.Close(PYE_DRAIN);
}

}  // namespace
}  // namespace scanner

int main(int argc, char** argv) {
  try {
    scanner::Run(scanner::ReadSettings(argc, argv));
    return 0;
  } catch (const scanner::UsageError& error) {
    std::fprintf(stderr, "scanner: %s\n%s", error.what(), scanner::kUsage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "scanner: %s\n", error.what());
    return 1;
  }
}
