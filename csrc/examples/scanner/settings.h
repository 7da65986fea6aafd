// The scanner's command line.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "camera.h"
#include "pyengine/c_api.h"

namespace scanner {

constexpr const char kUsage[] =
    "usage: scanner ENGINE.pyengine [OPTION VALUE]...\n"
    "  --rate HZ         frames per second (30)\n"
    "  --load X          X times as many as the engine computes, in place of --rate\n"
    "  --frames N        how many (300); --seconds S: for how long\n"
    "  --jitter MS       each comes up to so much earlier or later (0)\n"
    "  --stall N,MS      after every N frames the scanner stands still for MS (never)\n"
    "  --source FILE     frames as raw bytes, in place of a phantom\n"
    "  --size HxW        of a frame (496x768)\n"
    "  --policy WORD     newest, all or reject (newest)\n"
    "  --deadline MS     after which a frame is not begun any more (none)\n"
    "  --threads N       of the engine (all cores)\n"
    "  --show WORD       frames: a line for each; summary; json (summary)\n";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Settings {
  std::string engine;
  std::string source;
  Timing timing;
  double load = 0;
  double seconds = 0;
  double deadline_ms = 0;
  int64_t height = 496;
  int64_t width = 768;
  int32_t policy = PYE_POLICY_NEWEST;
  int32_t threads = 0;
  bool verbose = false;
  bool json = false;
};

// One or two numbers, the second after `separator`.
inline void ReadNumbers(const std::string& name, const char* text, double* first,
                        char separator = '\0', double* second = nullptr) {
  char* end = nullptr;
  *first = std::strtod(text, &end);
  if (end != text && second != nullptr && *end == separator) {
    text = end + 1;
    *second = std::strtod(text, &end);
  } else if (second != nullptr) {
    end = nullptr;
  }
  if (end == nullptr || end == text || *end != '\0' || !(*first >= 0) ||
      (second != nullptr && !(*second >= 0)))
    throw UsageError(name + ": " + text + " is not what belongs there");
}

inline Settings ReadSettings(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name.rfind("--", 0) != 0) {
      if (!s.engine.empty()) throw UsageError("two engines: " + s.engine + " and " + name);
      s.engine = name;
      continue;
    }
    if (++i == argc) throw UsageError(name + " lacks its value");
    const char* const text = argv[i];
    const std::string word = text;
    double first = 0, second = 0;
    if (name == "--rate") {
      ReadNumbers(name, text, &s.timing.rate_hz);
      if (!(s.timing.rate_hz > 0)) throw UsageError("--rate must be above 0");
    } else if (name == "--load") {
      ReadNumbers(name, text, &s.load);
    } else if (name == "--frames") {
      ReadNumbers(name, text, &first);
      s.timing.frames = static_cast<int64_t>(first);
    } else if (name == "--seconds") {
      ReadNumbers(name, text, &s.seconds);
    } else if (name == "--jitter") {
      ReadNumbers(name, text, &s.timing.jitter_ms);
    } else if (name == "--stall") {
      ReadNumbers(name, text, &first, ',', &s.timing.stall_ms);
      s.timing.stall_every = static_cast<int64_t>(first);
    } else if (name == "--source") {
      s.source = word;
    } else if (name == "--size") {
      ReadNumbers(name, text, &first, 'x', &second);
      s.height = static_cast<int64_t>(first);
      s.width = static_cast<int64_t>(second);
      if (s.height < 1 || s.width < 1) throw UsageError("--size must be at least 1x1");
    } else if (name == "--policy" && (word == "newest" || word == "all" || word == "reject")) {
      s.policy = word == "newest" ? PYE_POLICY_NEWEST
                 : word == "all"  ? PYE_POLICY_ALL
                                  : PYE_POLICY_REJECT;
    } else if (name == "--deadline") {
      ReadNumbers(name, text, &s.deadline_ms);
    } else if (name == "--threads") {
      ReadNumbers(name, text, &first);
      s.threads = static_cast<int32_t>(first);
    } else if (name == "--show" && (word == "frames" || word == "summary" || word == "json")) {
      s.verbose = word == "frames";
      s.json = word == "json";
    } else {
      throw UsageError(name + " " + word + ": unknown");
    }
  }
  if (s.engine.empty()) throw UsageError("no engine");
  return s;
}

}  // namespace scanner
