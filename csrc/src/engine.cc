#include "pyengine/engine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/backends.h"
#include "checks.h"
#include "classification/classify.h"
#include "core/aligned_buffer.h"
#include "core/available_cores.h"
#include "core/cancellation.h"
#include "core/checked_math.h"
#include "core/finite_check.h"
#include "core/log.h"
#include "core/platform/float_environment.h"
#include "core/platform/regular_file.h"
#include "core/scheduler.h"
#include "core/thread_pool.h"
#include "describe.h"
#include "graph/geometry.h"
#include "image_statistics.h"
#include "preprocessing/read_row.h"
#include "preprocessing/survey.h"
#include "pyengine/error.h"
#include "tiling/augment.h"
#include "tiling/compare_range.h"
#include "tiling/foreground.h"
#include "tiling/pixel_rect.h"
#include "tiling/plain_pixels.h"
#include "tiling/volume/volume_tiler.h"

namespace pyengine {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int64_t kMaxInputSidePx = 1 << 20;  // of Run
constexpr int64_t kHeadPixels = 1 << 14;      // that a thread turns into probabilities at a time

int ThreadCount(int wanted) {
  if (wanted < 0 || wanted > kMaxThreads)
    throw Error(ErrorCode::kInvalidArgument,
                "threads " + std::to_string(wanted) +
                    " must be from 1 to 1024, or 0 for every core available");
  return wanted > 0 ? wanted : std::min(AvailableCores(), kMaxThreads);
}

void CheckInputSize(const TileSize& size) {
  const Axes axes{.z = size.depth, .y = size.height, .x = size.width};
  for (Axis axis : kAxes)
    if (axes[axis] < 1 || axes[axis] > kMaxInputSidePx)
      throw Error(ErrorCode::kInvalidArgument,
                  "input size " + SizeText({.size = axes}) + " px is out of range");
}

void RequireScores(OutputKind kind) {
  if (kind == OutputKind::kLabels)
    throw Error(ErrorCode::kInvalidArgument, "scores are probabilities or logits, not labels");
}

}  // namespace

std::shared_ptr<Scheduler> MakeScheduler() {
  return std::make_shared<Scheduler>();
}

struct Engine::Impl {
  EngineFile file;
  EngineInfo info;
  std::shared_ptr<ThreadPool> pool;
  std::unique_ptr<Segmenter> segmenter;
  mutable PlainPixels::Buffers plain_buffers;

  // `bytes` null: those of the file at `path`; else `path` is their name in messages.
  Impl(const std::string& path, const ByteSource* bytes, const ExecutorFactory& factory,
       const EngineOptions& options) {
    CheckOptions(options);
    RequireKnownDevice(options.device);
    file = bytes == nullptr ? ReadEngineFileFor(path, options.device)
                            : ReadEngineFileFor(path, *bytes, options.device);
    GraphAnalysis analysis = AnalyzeNetwork(file, path);
    if (factory && options.executor_alignment_px > 0)
      SetContext(analysis, options.executor_halo_px, options.executor_alignment_px);
    info = Describe(file, analysis);
    pool = PoolFor(options);
    info.threads = pool->threads();
    const SegmentationModel model{.geometry = info.geometry,
                                  .normalisation = NormalisationOfAll(),
                                  .head = file.manifest.head,
                                  .window = {.height = file.manifest.window_height,
                                             .width = file.manifest.window_width,
                                             .depth = file.manifest.window_depth},
                                  .mirror_z = file.manifest.mirror_z,
                                  .mirror_y = file.manifest.mirror_y,
                                  .mirror_x = file.manifest.mirror_x,
                                  .why_not_tileable = info.not_tileable_reason};
    const OpenRequest request{
        .path = path, .file = file, .model = model, .options = options, .pool = pool};
    segmenter = factory ? OpenCustom(factory, request, info) : OpenSegmenter(request, info);
    file.weights.clear();  // the segmenter has its own, packed
    file.attachments = {};
    if (!info.why_not_gpu.empty()) Log(LogLevel::kWarning, path + ": no GPU: " + info.why_not_gpu);
    if (LogWants(LogLevel::kInfo))
      Log(LogLevel::kInfo, path + ": opened on " + info.device + " (" + info.isa + "), " +
                               std::to_string(info.threads) + " threads");
  }

  static std::shared_ptr<ThreadPool> PoolFor(const EngineOptions& options) {
    if (options.share_threads != nullptr) return options.share_threads->impl_->pool;
    return std::make_shared<ThreadPool>(
        ThreadCount(options.threads),
        ThreadPoolOptions{
            .pin = options.pin_threads, .thread = options.thread, .run_tasks = options.run_tasks});
  }

  // What back ends do with every image: gain and offset, or nothing where images bring more.
  Normalisation NormalisationOfAll() const {
    if (!info.more_preprocessing) return file.manifest.preprocessing.first;
    return Normalisation::None(info.geometry.channels);
  }

  // An image with what preprocessing makes of it, where that is more than gain and offset. Tilers
  // on the host apply it to each window; a GPU gets the network's input.
  struct NormalisedImage {
    NormalisedImage(const Impl& impl, const CheckedImage& checked,
                    const ImageStatistics* statistics)
        : image(checked) {
      if (!impl.info.more_preprocessing) return;
      own = impl.NormalisationOf(checked, statistics);
      image = checked.Normalised(own);
      if (impl.segmenter->device_arrays() == nullptr) return;
      const ImageView& view = checked.view();
      const auto plane = static_cast<size_t>(view.rows * view.width);
      planes = AlignedBuffer<float>(static_cast<size_t>(view.channels) * plane);
      impl.pool->ParallelFor(view.rows, [&](int64_t y) {
        for (int64_t c = 0; c < view.channels; ++c)
          ReadRow(view, c, view.first_row + y, own,
                  planes.data() + static_cast<size_t>(c) * plane + y * view.width);
      });
      ImageView planar = PlanarView(planes.data(), view.channels, view.rows, view.width);
      planar.height = view.height;
      planar.first_row = view.first_row;
      planar.rows = view.rows;
      image = CheckedImage(planar, view.channels, *impl.pool);
    }
    NormalisedImage(const NormalisedImage&) = delete;
    NormalisedImage& operator=(const NormalisedImage&) = delete;

    CheckedImage image;
    Normalisation own;
    AlignedBuffer<float> planes;
  };

  Normalisation NormalisationOf(const CheckedImage& image,
                                const ImageStatistics* statistics) const {
    const Preprocessing& preprocessing = file.manifest.preprocessing;
    if (!preprocessing.depends_on_image()) return preprocessing.first;
    if (statistics != nullptr) {
      const ImageStatistics::Impl& known = *statistics->impl_;
      if (known.height != image.view().height ||
          known.preprocessing.first.gain.size() != preprocessing.first.gain.size())
        throw Error(ErrorCode::kInvalidArgument, "the statistics are of another image or engine");
      return known.survey.result();
    }
    if (!image.whole())
      throw Error(ErrorCode::kInvalidArgument,
                  "this network's preprocessing depends on the whole image: gather its statistics "
                  "from all rows first, and give them with each band");
    return NormalisationFor(preprocessing, image.view(), *pool);
  }

  // `rows` of an image in host memory. This and SegmentOnDevice are the doors of all images: what
  // is below asks nothing of them again.
  void Segment(const ImageView& view, Range rows, OutputKind kind, void* data, int64_t row_stride,
               const SegmentOptions& options, const ImageStatistics* statistics = nullptr) const {
    const DefaultFloatEnvironment floats;
    RequireTask("segmentation");
    CheckOptions(options);
    CheckSize(view.height, view.width);
    CheckBand(view.height, rows);
    CheckRegion(options, view.height, view.width);
    RequireDense();
    if (options.check_finite && segmenter->device_arrays() != nullptr)
      throw Error(ErrorCode::kUnsupported, "check_finite needs an engine on the CPU");
    if (rows.size() != view.height || (view.rows != 0 && view.rows != view.height))
      RequireBands(options);
    RequireOneOutput(kind);
    CheckForeground(options, view.height, view.width);
    RequireBackground(kind, options);
    const PixelRect region = RegionOf(options, view.height, view.width);
    const PixelRect wanted{.rows = {.begin = std::max(rows.begin, region.rows.begin),
                                    .end = std::min(rows.end, region.rows.end)},
                           .columns = region.columns};
    CheckBand(view.height, wanted.rows);
    const OutputView out = CheckOutput(kind, data, wanted.rows, wanted.columns.size(), row_stride,
                                       info.geometry.classes, wanted.columns.begin);
    if (options.has_region() &&
        (options.augmentation != Augmentation::kNone || !segmenter->CutsRegions(options)))
      return SegmentAndCrop(view, region, out, options);
    const CancellationScope cancellation(options.cancelled);
    const FiniteCheckScope finite_check(options.check_finite);
    const Scheduler::Turn turn(options.scheduler.get(), options.priority);
    const ThreadPool::Alone alone(options.one_thread);
    const PlainPixels plain(view, info.geometry.channels,
                            {.scale = options.source_scale, .offset = options.source_offset}, *pool,
                            plain_buffers);
    const CheckedImage checked(plain.view(), info.geometry.channels, *pool);
    const NormalisedImage normalised(*this, checked, statistics);
    const CheckedImage& image = normalised.image;
    // Heads of several outputs are their own matter, once their logits are there.
    OutputView to = out;
    const bool own_heads = kind == OutputKind::kProbabilities && !file.manifest.outputs.empty();
    if (own_heads) to.kind = OutputKind::kLogits;
    if (options.augmentation == Augmentation::kMirror) RequireMirrorAxes();
    // nnU-Net mirrors each window.
    const bool by_window =
        options.augmentation == Augmentation::kMirror && options.mode == TileMode::kNnUnet;
    if (options.augmentation == Augmentation::kNone || by_window)
      segmenter->Segment(image, rows, to, options);
    else
      SegmentTurned(image, to, options);
    if (own_heads) ApplyHeads(static_cast<float*>(data), out.plane_stride, out.plane_stride, true);
    Foreground(options, view.width)
        .PaintBackground(wanted, info.geometry.classes, file.manifest.head, out, *pool);
  }

  // The door of all volumes.
  void SegmentVolume(const ImageView& slices, int64_t depth, const VolumeOutput& out,
                     const SegmentOptions& options) const {
    const DefaultFloatEnvironment floats;
    if (!info.geometry.volume)
      throw Error(ErrorCode::kUnsupported,
                  "this network is over images (y, x), not volumes: segment the slices");
    CheckOptions(options);
    CheckSize(slices.height, slices.width);
    if (depth < 1 || slices.height % depth != 0 ||
        (slices.rows != 0 && slices.rows != slices.height))
      throw Error(ErrorCode::kInvalidArgument, "a volume of " + std::to_string(depth) +
                                                   " slices cannot have " +
                                                   std::to_string(slices.height) + " rows in all");
    if (options.has_region())
      throw Error(ErrorCode::kUnsupported, "volumes are segmented whole, without region");
    RequireDense();
    RequireOneOutput(out.kind);
    if (!file.manifest.outputs.empty() && out.kind == OutputKind::kProbabilities)
      throw Error(ErrorCode::kUnsupported,
                  "a network over volumes with named results gives labels or logits");
    if (out.whole == nullptr && !out.slab) throw Error(ErrorCode::kInvalidArgument, "out is null");
    const bool windows = options.mode != TileMode::kExact;
    if (options.augmentation != Augmentation::kNone &&
        (options.augmentation != Augmentation::kMirror || !windows))
      throw Error(ErrorCode::kUnsupported,
                  "augmentation of volumes: tta=\"mirror\" mirrors windows, in mode \"nnunet\", "
                  "\"gaussian\" or \"constant\"; other views are for images");
    if (options.augmentation == Augmentation::kMirror) RequireMirrorAxes();
    const CancellationScope cancellation(options.cancelled);
    const Scheduler::Turn turn(options.scheduler.get(), options.priority);
    const ThreadPool::Alone alone(options.one_thread);
    const FiniteCheckScope finite_check(options.check_finite);
    const PlainPixels plain(slices, info.geometry.channels,
                            {.scale = options.source_scale, .offset = options.source_offset}, *pool,
                            plain_buffers);
    const CheckedImage checked(plain.view(), info.geometry.channels, *pool);
    const NormalisedImage normalised(*this, checked, nullptr);
    segmenter->SegmentVolume(VolumeImage(normalised.image, depth), out, options);
  }

  // A region of what is computed of the whole.
  void SegmentAndCrop(const ImageView& view, const PixelRect& region, const OutputView& out,
                      const SegmentOptions& options) const {
    SegmentOptions whole = options;
    whole.region_top_px = whole.region_left_px = 0;
    whole.region_height_px = whole.region_width_px = 0;
    const bool labels = out.kind == OutputKind::kLabels;
    const int64_t planes = labels ? 1 : info.geometry.classes, value_bytes = labels ? 1 : 4;
    const int64_t plane = view.height * view.width;
    AlignedBuffer<char> all(static_cast<size_t>(
        CheckedMul(CheckedMul(plane, planes, "result"), value_bytes, "result")));
    Segment(view, {.begin = 0, .end = view.height}, out.kind, all.data(), view.width, whole);
    for (int64_t k = 0; k < planes; ++k)
      for (int64_t y = region.rows.begin; y < region.rows.end; ++y) {
        const int64_t from = k * plane + y * view.width + region.columns.begin;
        const int64_t to = k * out.plane_stride + (y - out.first_row) * out.row_stride;
        std::memcpy(static_cast<char*>(out.data) + to * value_bytes,
                    all.data() + from * value_bytes,
                    static_cast<size_t>(region.columns.size() * value_bytes));
      }
  }

  void SegmentTurned(const CheckedImage& image, const OutputView& out,
                     const SegmentOptions& options) const {
    if (file.manifest.outputs.size() > 1 ||
        (!file.manifest.outputs.empty() && file.manifest.outputs[0].enlarge > 1))
      throw Error(
          ErrorCode::kUnsupported,
          "augmentation: this network's results are not averaged over turned views, as what "
          "they say, of directions for one, turns with the image");
    SegmentOptions everywhere = options;  // the foreground does not turn with the image
    everywhere.foreground.clear();
    SegmentAugmented(
        image, out, everywhere, info.geometry.classes, file.manifest.head,
        {.y = file.manifest.mirror_y, .x = file.manifest.mirror_x}, *pool,
        [&](const CheckedImage& turned, const OutputView& logits, const SegmentOptions& once) {
          segmenter->Segment(turned, {.begin = 0, .end = turned.view().height}, logits, once);
        });
  }

  void SegmentOnDevice(const ImageView& view, OutputKind kind, void* data, int64_t row_stride,
                       const SegmentOptions& options, void* stream) const {
    const DefaultFloatEnvironment floats;
    RequireTask("segmentation");
    CheckOptions(options);
    if (options.augmentation != Augmentation::kNone || options.has_region() ||
        options.check_finite || !options.foreground.empty())
      throw Error(ErrorCode::kUnsupported,
                  "images on a GPU are segmented without augmentation, region, foreground and "
                  "check_finite");
    const bool known = view.type == PixelType::kUint8 || view.type == PixelType::kUint16 ||
                       view.type == PixelType::kFloat32;
    if (!known || view.byte_order != ByteOrder::kNative || options.source_scale != 1 ||
        options.source_offset != 0)
      throw Error(ErrorCode::kUnsupported,
                  "images on a GPU are uint8, uint16 or float32, as the network takes them");
    const DeviceArrays& arrays =
        RequireDevice("arrays on a GPU need an engine on that GPU; this one runs on the CPU" +
                      (info.why_not_gpu.empty() ? "" : " (" + info.why_not_gpu + ")"));
    if (info.more_preprocessing)
      throw Error(
          ErrorCode::kUnsupported,
          "arrays on a GPU: this network's preprocessing is more than gain and offset, which "
          "is done on the host; give the image in host memory");
    if (!info.geometry.tileable || options.mode != TileMode::kExact)
      throw Error(ErrorCode::kUnsupported,
                  "arrays on a GPU need exact mode and a network with tiles");
    if (!file.manifest.outputs.empty() && kind != OutputKind::kLogits)
      throw Error(ErrorCode::kUnsupported,
                  "arrays on a GPU get the logits of a network with named results");
    const CheckedImage image = CheckedImage::OnDevice(view, info.geometry.channels);
    if (!image.whole())
      throw Error(ErrorCode::kUnsupported, "arrays on a GPU need the whole image, not some rows");
    const OutputView out = CheckOutput(kind, data, {.begin = 0, .end = view.height}, view.width,
                                       row_stride, info.geometry.classes);
    arrays.SegmentOnDevice(image, out, options, stream);
  }

  // Logits of all outputs, `count` in each plane, to what their heads make of them: of all outputs,
  // or of those whose source networks end in them.
  void ApplyHeads(float* planes, int64_t plane_stride, int64_t count, bool all) const {
    for (const NamedOutput& one : file.manifest.outputs) {
      if (!all && !one.head_in_network) continue;
      const int64_t phases = one.enlarge * one.enlarge, classes = one.planes / phases;
      for (int64_t phase = 0; phase < phases; ++phase)
        pool->ParallelFor(CeilDiv(count, kHeadPixels), [&](int64_t i) {
          const int64_t begin = i * kHeadPixels;
          ApplyHead(planes + (one.first_plane + phase * classes) * plane_stride + begin,
                    plane_stride, classes, std::min(kHeadPixels, count - begin), one.head);
        });
    }
  }

  void RequireMirrorAxes() const {
    if (!file.manifest.mirror_z && !file.manifest.mirror_y && !file.manifest.mirror_x)
      throw Error(ErrorCode::kUnsupported,
                  "this engine file names no axes along which its network was trained to be "
                  "mirrored; for both say tta=\"flips\"");
  }

  // What a mask leaves out must have a value.
  void RequireBackground(OutputKind kind, const SegmentOptions& options) const {
    if (options.foreground.empty() || kind == OutputKind::kLabels) return;
    if (kind == OutputKind::kLogits || !file.manifest.outputs.empty())
      throw Error(ErrorCode::kUnsupported,
                  "foreground: background is a label, or a probability of a network with one "
                  "result; ask for one of these");
  }

  // Labels are those of one output.
  void RequireOneOutput(OutputKind kind) const {
    const auto& outputs = file.manifest.outputs;
    if (kind != OutputKind::kLabels || outputs.empty()) return;
    if (outputs.size() == 1 && outputs[0].enlarge == 1) return;
    std::string names;
    for (const NamedOutput& one : outputs) names += (names.empty() ? "'" : ", '") + one.name + "'";
    throw Error(ErrorCode::kUnsupported,
                "labels: this network's results are " + names + "; ask for their probabilities");
  }

  void RequireTask(const std::string& task) const {
    RequireImages();
    if (file.manifest.task != task)
      throw Error(ErrorCode::kUnsupported,
                  "this engine's task is " + file.manifest.task + ", not " + task);
  }

  void RequireImages() const {
    if (info.geometry.volume)
      throw Error(ErrorCode::kUnsupported,
                  "this network is over volumes (z, y, x), not images: give all slices together");
  }
  void RequireVolumes() const {
    if (!info.geometry.volume)
      throw Error(ErrorCode::kUnsupported,
                  "this network is over images (y, x), not volumes; Run() runs it");
  }

  // (classes, depth, height, width) of Run's result.
  void OutputShape(const TileSize& size, int64_t shape[4]) const {
    CheckInputSize(size);
    const NetworkGeometry& net = info.geometry;
    const Axes axes{.z = size.depth, .y = size.height, .x = size.width};
    const Axes fixed{
        .z = net.volume ? net.z.fixed : 1, .y = net.fixed_height, .x = net.fixed_width};
    if (net.fixed_height > 0 && !(axes == fixed))
      throw Error(ErrorCode::kInvalidArgument, "an input of " + SizeText({.size = axes}) +
                                                   " px does not fit the network, which takes " +
                                                   SizeText({.size = fixed}) +
                                                   " alone: " + info.not_tileable_reason);
    const Extent out = Extents(file.graph, axes)[file.graph.output];
    shape[0] = net.classes;
    shape[1] = out.size.z;
    shape[2] = out.size.y;
    shape[3] = out.size.x;
  }

  std::vector<OpTime> Profile(const TileSize& size, int passes) const {
    const DefaultFloatEnvironment floats;
    CheckInputSize(size);
    if (passes < 1)
      throw Error(ErrorCode::kInvalidArgument,
                  "passes " + std::to_string(passes) + " must be at least 1");
    return segmenter->Profile(size, passes);
  }

  // The network itself, and its head where that is part of it.
  void Run(const float* in, float* out, int64_t n, const TileSize& size) const {
    const DefaultFloatEnvironment floats;
    if (n < 0)
      throw Error(ErrorCode::kInvalidArgument, "n is " + std::to_string(n) + ", needs at least 0");
    if (n > 0 && (in == nullptr || out == nullptr))
      throw Error(ErrorCode::kInvalidArgument, "input and output need memory");
    int64_t shape[4];
    OutputShape(size, shape);
    segmenter->Run(in, out, n, size);
    const int64_t pixels = shape[1] * shape[2] * shape[3];
    if (!file.manifest.outputs.empty()) {
      for (int64_t i = 0; i < n; ++i)
        ApplyHeads(out + i * shape[0] * pixels, pixels, pixels, false);
      return;
    }
    if (!file.manifest.head_in_network) return;
    for (int64_t i = 0; i < n; ++i)
      ApplyHead(out + i * shape[0] * pixels, pixels, shape[0], pixels, file.manifest.head);
  }

  void RequireDense() const {
    if (!info.geometry.dense)
      throw Error(ErrorCode::kUnsupported, "this network does not give one output per pixel (" +
                                               info.not_tileable_reason + ")");
  }

  // Whether some rows of an image may be segmented without the others.
  void RequireBands(const SegmentOptions& options) const {
    if (options.has_region() && !segmenter->CutsRegions(options))
      throw Error(ErrorCode::kUnsupported, "a region of a band needs exact mode on the CPU");
    if (options.augmentation != Augmentation::kNone)
      throw Error(ErrorCode::kUnsupported, "augmentation needs the whole image, not a band of it");
    if (options.mode == TileMode::kExact && !info.geometry.tileable)
      throw Error(ErrorCode::kUnsupported, "row bands need a network with tiles or another mode");
    if (options.mode != TileMode::kExact && segmenter->device_arrays() != nullptr)
      throw Error(ErrorCode::kUnsupported, "row bands on a GPU need exact mode");
  }

  const DeviceArrays& RequireDevice(const std::string& why) const {
    const DeviceArrays* arrays = segmenter->device_arrays();
    if (arrays == nullptr) throw Error(ErrorCode::kUnsupported, why);
    return *arrays;
  }
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Engine Engine::Open(const std::string& path, const EngineOptions& options) {
  const DefaultFloatEnvironment floats;
  return Engine(std::make_unique<Impl>(path, nullptr, nullptr, options));
}

Engine Engine::Open(const std::string& path, const ExecutorFactory& factory,
                    const EngineOptions& options) {
  if (!factory) throw Error(ErrorCode::kInvalidArgument, "factory is empty");
  const DefaultFloatEnvironment floats;
  return Engine(std::make_unique<Impl>(path, nullptr, factory, options));
}

Engine Engine::OpenMemory(const void* data, size_t bytes, const EngineOptions& options) {
  if (data == nullptr) throw Error(ErrorCode::kInvalidArgument, "data is null");
  if (bytes > static_cast<size_t>(INT64_MAX))
    throw Error(ErrorCode::kInvalidArgument, "bytes: more than memory can hold");
  const DefaultFloatEnvironment floats;
  const MemoryBytes source(data, static_cast<int64_t>(bytes));
  return Engine(std::make_unique<Impl>("engine in memory", &source, nullptr, options));
}

Engine Engine::OpenDescriptor(int descriptor, const EngineOptions& options) {
  const DefaultFloatEnvironment floats;
  const std::string name = "descriptor " + std::to_string(descriptor);
  std::unique_ptr<RegularFile> source;
  try {
    source = std::make_unique<RegularFile>(descriptor);
  } catch (const Error& e) {
    throw Error(e.code(), name + ": " + e.what());
  }
  return Engine(std::make_unique<Impl>(name, source.get(), nullptr, options));
}

MemoryUse Engine::Memory() const {
  MemoryUse use = impl_->segmenter->Memory();
  impl_->plain_buffers.VisitIdle([&](const AlignedBuffer<float>& buffer) {
    use.idle_bytes += static_cast<int64_t>(buffer.size() * sizeof(float));
  });
  return use;
}

void Engine::Trim() const {
  impl_->segmenter->Trim();
  impl_->plain_buffers.Trim();
}

const EngineInfo& Engine::info() const noexcept {
  return impl_->info;
}

TilePlan Engine::Plan(int64_t height, int64_t width, const SegmentOptions& options) const {
  const DefaultFloatEnvironment floats;
  CheckOptions(options);
  CheckSize(height, width);
  CheckRegion(options, height, width);
  return impl_->segmenter->Plan(height, width, options);
}

void Engine::Prepare(int64_t height, int64_t width, const SegmentOptions& options) const {
  CheckSize(height, width);
  const auto pixels =
      static_cast<size_t>(CheckedMul(height * width, impl_->info.geometry.channels, "the image"));
  AlignedBuffer<uint8_t> zeros(pixels);
  std::fill_n(zeros.data(), pixels, uint8_t{0});
  AlignedBuffer<uint8_t> labels(static_cast<size_t>(height * width));
  SegmentOptions silent = options;
  silent.progress = nullptr;
  silent.cancelled = nullptr;
  silent.report = nullptr;
  silent.every_tile = true;  // all sizes, all threads
  SegmentLabels({.data = zeros.data(),
                 .height = height,
                 .width = width,
                 .channels = impl_->info.geometry.channels,
                 .row_stride_bytes = width,
                 .pixel_stride_bytes = 1,
                 .channel_stride_bytes = height * width},
                labels.data(), options.has_region() ? options.region_width_px : width, silent);
}

ValueRange Engine::CheckRange(const ImageView& image, const SegmentOptions& options) const {
  const DefaultFloatEnvironment floats;
  CheckOptions(options);
  const int64_t channels = impl_->info.geometry.channels;
  const SourceScale source{.scale = options.source_scale, .offset = options.source_offset};
  const PlainPixels plain(image, channels, source, *impl_->pool, impl_->plain_buffers);
  return CompareRange({plain.view(), channels, *impl_->pool}, image.type, source,
                      impl_->info.input_type);
}

void Engine::SegmentLabels(const ImageView& image, uint8_t* labels, int64_t row_stride,
                           const SegmentOptions& options) const {
  impl_->Segment(image, {.begin = 0, .end = image.height}, OutputKind::kLabels, labels, row_stride,
                 options);
}

void Engine::SegmentVolume(const ImageView& slices, int64_t depth, OutputKind kind, void* out,
                           const SegmentOptions& options) const {
  impl_->SegmentVolume(slices, depth, {.kind = kind, .whole = out, .slab = nullptr}, options);
}

void Engine::SegmentVolume(const ImageView& slices, int64_t depth, OutputKind kind,
                           const SlabFn& slab, const SegmentOptions& options) const {
  impl_->SegmentVolume(slices, depth, {.kind = kind, .whole = nullptr, .slab = slab}, options);
}

void Engine::SegmentScores(const ImageView& image, OutputKind kind, float* scores,
                           const SegmentOptions& options) const {
  RequireScores(kind);
  const int64_t width = options.has_region() ? options.region_width_px : image.width;
  impl_->Segment(image, {.begin = 0, .end = image.height}, kind, scores, width, options);
}

void Engine::SegmentLabelsOnDevice(const ImageView& image, uint8_t* labels, int64_t row_stride,
                                   void* cuda_stream, const SegmentOptions& options) const {
  impl_->SegmentOnDevice(image, OutputKind::kLabels, labels, row_stride, options, cuda_stream);
}

void Engine::SegmentScoresOnDevice(const ImageView& image, OutputKind kind, float* scores,
                                   void* cuda_stream, const SegmentOptions& options) const {
  RequireScores(kind);
  impl_->SegmentOnDevice(image, kind, scores, image.width, options, cuda_stream);
}

std::shared_ptr<void> Engine::AllocateOnDevice(size_t bytes) const {
  return impl_->RequireDevice("memory on a GPU needs an engine on that GPU")
      .AllocateOnDevice(bytes);
}

void Engine::StreamWait(void* stream, void* awaited) const {
  impl_->RequireDevice("streams need an engine on a GPU").StreamWait(stream, awaited);
}

void Engine::BandRows(int64_t height, int64_t width, int64_t row_begin, int64_t row_end,
                      const SegmentOptions& options, int64_t rows[2]) const {
  const DefaultFloatEnvironment floats;
  CheckOptions(options);
  CheckSize(height, width);
  CheckBand(height, {.begin = row_begin, .end = row_end});
  CheckRegion(options, height, width);
  const Range region = RegionOf(options, height, width).rows;
  CheckBand(height,
            {.begin = std::max(row_begin, region.begin), .end = std::min(row_end, region.end)});
  const Range need =
      impl_->segmenter->BandRows(height, width, {.begin = row_begin, .end = row_end}, options);
  rows[0] = need.begin;
  rows[1] = need.end;
}

void Engine::SegmentBand(const ImageView& image, OutputKind kind, int64_t row_begin,
                         int64_t row_end, void* out, const SegmentOptions& options,
                         const ImageStatistics* statistics) const {
  const int64_t width = options.has_region() ? options.region_width_px : image.width;
  impl_->Segment(image, {.begin = row_begin, .end = row_end}, kind, out, width, options,
                 statistics);
}

ImageStatistics Engine::Statistics(int64_t height) const {
  CheckSize(height, 1);
  return ImageStatistics(std::make_unique<ImageStatistics::Impl>(impl_->file.manifest.preprocessing,
                                                                 height, impl_->pool));
}

Classification Engine::Classify(const ImageView& image) const {
  const DefaultFloatEnvironment floats;
  const Manifest& manifest = impl_->file.manifest;
  impl_->RequireTask("classification");
  int64_t shape[3];
  RunOutputShape(manifest.sample_height, manifest.sample_width, shape);
  if (shape[1] != 1 || shape[2] != 1)
    throw Error(ErrorCode::kUnsupported, "the network has " + std::to_string(shape[1]) + " x " +
                                             std::to_string(shape[2]) +
                                             " outputs per class; a classifier has one");
  const Classifier classifier{
      .input_size = {.height = manifest.sample_height, .width = manifest.sample_width},
      .preprocessing = manifest.preprocessing,
      .head = manifest.head,
      .outputs = shape[0]};
  const PlainPixels plain(image, impl_->info.geometry.channels, {}, *impl_->pool,
                          impl_->plain_buffers);
  return ClassifyImage(classifier, {plain.view(), impl_->info.geometry.channels, *impl_->pool},
                       *impl_->pool, [&](const float* in, float* logits) {
                         impl_->segmenter->Run(
                             in, logits, 1,
                             {.height = manifest.sample_height, .width = manifest.sample_width});
                       });
}

void Engine::Normalise(const ImageView& image, float* planes) const {
  const DefaultFloatEnvironment floats;
  if (planes == nullptr) throw Error(ErrorCode::kInvalidArgument, "planes is null");
  const PlainPixels plain(image, impl_->info.geometry.channels, {}, *impl_->pool,
                          impl_->plain_buffers);
  NormaliseImage({plain.view(), impl_->info.geometry.channels, *impl_->pool},
                 impl_->file.manifest.preprocessing, *impl_->pool, planes);
}

void Engine::RunOutputShape(int64_t h, int64_t w, int64_t shape[3]) const {
  impl_->RequireImages();
  int64_t all[4];
  impl_->OutputShape({.height = h, .width = w}, all);
  shape[0] = all[0];
  shape[1] = all[2];
  shape[2] = all[3];
}

void Engine::RunVolumeOutputShape(TileSize size, int64_t shape[4]) const {
  impl_->RequireVolumes();
  impl_->OutputShape(size, shape);
}

std::vector<OpTime> Engine::Profile(int64_t h, int64_t w, int passes) const {
  impl_->RequireImages();
  return impl_->Profile({.height = h, .width = w}, passes);
}

std::vector<OpTime> Engine::ProfileVolume(TileSize size, int passes) const {
  impl_->RequireVolumes();
  return impl_->Profile(size, passes);
}

void Engine::Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) const {
  impl_->RequireImages();
  impl_->Run(in, out, n, {.height = h, .width = w});
}

void Engine::RunVolume(const float* in, float* out, int64_t n, TileSize size) const {
  impl_->RequireVolumes();
  impl_->Run(in, out, n, size);
}

}  // namespace pyengine
