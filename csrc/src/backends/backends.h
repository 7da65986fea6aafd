// What can compute networks: one list, which both "what runs here, and why not" and opening an
// engine walk.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "file/engine_file.h"
#include "pyengine/engine_info.h"
#include "pyengine/executor_status.h"
#include "pyengine/options.h"
#include "tiling/segmenter.h"

namespace pyengine {

struct OpenRequest {
  const std::string& path;  // for messages
  const EngineFile& file;   // outlives the segmenter, its weights and attachments do not
  const SegmentationModel& model;
  const EngineOptions& options;
  std::shared_ptr<ThreadPool> pool;
};

// One library, or the CPU, as a row of the list. A new one is a file beside this that defines its
// row, and the row's name in backends.cc.
struct Backend {
  const char* devices;  // words of EngineOptions::device that mean it, for error messages

  bool (*serves)(const std::string& device);

  // How its executors, one or several, stand on this machine.
  std::vector<ExecutorStatus> (*status)(const std::vector<std::string>& library_folders);

  // How the names of the attachments begin that it needs to open an engine; empty: it needs none.
  const char* attachments;

  // Throws Error(kBadEngineFile) if what the file holds for it is malformed, whoever opens it.
  void (*check)(const EngineFile& file);

  // Fills what `info` says of device, GPU and instruction set. Null: there is nothing for it in
  // this file or on this machine, which need not be told unless it was asked for. Throws Error
  // with the reason where it should run and cannot.
  std::unique_ptr<Segmenter> (*open)(const OpenRequest& request, EngineInfo& info);
};

// Best first; the last one runs everywhere.
std::span<const Backend* const> Backends();

// Throws Error(kInvalidArgument) if no back end serves `device`, naming those that exist.
void RequireKnownDevice(const std::string& device);

// Reads a file with what the back ends that `device` may mean need of it, checked for all.
EngineFile ReadEngineFileFor(const std::string& path, const std::string& device);
// The same of bytes that messages call `name`.
EngineFile ReadEngineFileFor(const std::string& name, const ByteSource& bytes,
                             const std::string& device);

// The first back end that the options mean and that opens the file. Where options allow the CPU
// instead, `info.why_not_gpu` tells what was refused before.
std::unique_ptr<Segmenter> OpenSegmenter(const OpenRequest& request, EngineInfo& info);

// The host's tiler around the executor that the caller's factory makes.
std::unique_ptr<Segmenter> OpenCustom(const ExecutorFactory& factory, const OpenRequest& request,
                                      EngineInfo& info);

}  // namespace pyengine
