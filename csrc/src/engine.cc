#include "pyengine/engine.h"

#include <algorithm>

#include "core/available_cores.h"
#include "core/checked_math.h"
#include "core/float_environment.h"
#include "core/thread_pool.h"
#include "cpu/cpu_executor.h"
#include "cpu/cpu_features.h"
#include "cuda/cuda_device.h"
#include "cuda/cuda_driver.h"
#include "cuda/device_executor.h"
#include "file/engine_file.h"
#include "graph/geometry.h"
#include "pyengine/error.h"
#include "tensorrt/open_plan.h"
#include "tiling/augment.h"
#include "tiling/checks.h"
#include "tiling/tiler.h"

namespace pyengine {
namespace {

constexpr int kMaxThreads = 1024;

int ThreadCount(int wanted) {
  if (wanted < 0 || wanted > kMaxThreads)
    throw Error(ErrorCode::kInvalidArgument,
                "threads " + std::to_string(wanted) +
                    " must be from 1 to 1024, or 0 for every core available");
  return wanted > 0 ? wanted : std::min(AvailableCores(), kMaxThreads);
}

// Number of the GPU that `device` names; -1 for the CPU.
int GpuNumber(const std::string& device) {
  if (device == "cpu") return -1;
  if (device == "auto" || device == "cuda") return 0;
  const std::string prefix = "cuda:";
  const std::string digits = device.starts_with(prefix) ? device.substr(prefix.size()) : "";
  if (digits.empty() || digits.size() > 4 ||
      digits.find_first_not_of("0123456789") != std::string::npos)
    throw Error(ErrorCode::kInvalidArgument,
                "device '" + device + "' is not 'auto', 'cpu', 'cuda' or 'cuda:N'");
  return std::stoi(digits);
}

EngineInfo Describe(const EngineFile& file, const GraphAnalysis& analysis) {
  EngineInfo info;
  info.task = file.manifest.task;
  info.geometry = analysis.network;
  info.not_tileable_reason = analysis.not_tileable_reason;
  info.receptive_field_px = analysis.receptive_field_px;
  info.flops_per_pixel = analysis.flops_per_pixel;
  info.sample_height = file.manifest.sample_height;
  info.sample_width = file.manifest.sample_width;
  info.activation = file.manifest.head == Head::kSoftmax   ? "softmax"
                    : file.manifest.head == Head::kSigmoid ? "sigmoid"
                                                           : "none";
  info.classes = file.manifest.classes;
  info.manifest_json = file.manifest_json;
  info.graph_json = file.graph_json;
  info.parameters = GraphParameters(file.graph, file.weights);
  for (size_t i = 0; i < file.graph.nodes.size(); ++i) {
    const Node& node = file.graph.nodes[i];
    LayerInfo layer;
    layer.name = node.name;
    layer.op = OpName(node.op);
    layer.channels = file.graph.tensors[node.output].channels;
    layer.parameters = NodeParameters(node, file.weights);
    layer.flops_per_pixel = analysis.node_flops[i];
    layer.stride_px = analysis.stride_px[node.output];
    info.layers.push_back(std::move(layer));
  }
  return info;
}

}  // namespace

struct Engine::Impl {
  EngineFile file;
  std::vector<StoredPlan> plans;
  EngineInfo info;
  std::shared_ptr<ThreadPool> pool;
  std::shared_ptr<Executor> executor;
  std::unique_ptr<Tiler> tiler;
  std::shared_ptr<Device> device;  // null on the CPU; likewise `gpu`
  std::shared_ptr<const DeviceTiler> gpu;

  Impl(const std::string& path, const ExecutorFactory& factory, const EngineOptions& options)
      : file(ReadEngineFile(path, GpuNumber(options.device) >= 0 ? kPlanAttachments : "")),
        plans(ReadStoredPlans(file.manifest.json, file.attachments)) {
    const GraphAnalysis analysis = [&] {
      try {
        return Analyze(file.graph, file.manifest.sample_height, file.manifest.sample_width);
      } catch (const Error& e) {
        throw Error(ErrorCode::kBadEngineFile, path + ": graph: " + e.what());
      }
    }();
    const NetworkGeometry& net = analysis.network;
    if (net.tileable &&
        (net.halo != file.manifest.halo || net.alignment != file.manifest.alignment))
      throw Error(ErrorCode::kBadEngineFile,
                  path + ": halo and alignment: the manifest says " +
                      std::to_string(file.manifest.halo) + " and " +
                      std::to_string(file.manifest.alignment) + " px, the graph needs " +
                      std::to_string(net.halo) + " and " + std::to_string(net.alignment));
    info = Describe(file, analysis);
    pool = std::make_shared<ThreadPool>(ThreadCount(options.threads), options.pin_threads);
    info.threads = pool->threads();
    if (factory) {
      executor = factory(info);
      if (!executor)
        throw Error(ErrorCode::kInvalidArgument, path + ": the factory made no executor");
      const NetworkGeometry& g = executor->geometry();
      if (g.channels != net.channels || g.classes != net.classes || g.before != net.before ||
          g.after != net.after || g.alignment != net.alignment || g.margin != net.margin)
        throw Error(ErrorCode::kInvalidArgument,
                    path + ": the executor's geometry differs from the network's");
      info.isa = "custom";
      info.device = "cpu";
    } else if (OpenGpu(options, net)) {
      executor = std::make_shared<DeviceExecutor>(net, gpu);
      info.isa = "none";
    } else {
      info.device = "cpu";
      const bool fast = options.accuracy == Accuracy::kFast;
      const KernelTable& kernels = SelectKernels(options.isa, fast);
      info.isa = kernels.isa;
      executor = std::make_shared<CpuExecutor>(file.graph, net, file.weights, kernels, fast, pool);
    }
    file.weights.clear();  // the executor has its own, packed
    file.attachments = {};
    tiler = std::make_unique<Tiler>(executor, file.manifest.normalisation, file.manifest.head,
                                    info.not_tileable_reason, pool);
  }

  // Whether the options lead to a GPU; throws where they demand one that cannot be had.
  bool OpenGpu(const EngineOptions& options, const NetworkGeometry& net) {
    const int number = GpuNumber(options.device);
    if (number < 0) return false;
    const bool any = options.device == "auto";
    // The driver is asked last: its first answer takes long, and most files hold no plan.
    if (any && (plans.empty() || !FindCudaDriver().why_no_device.empty())) return false;
    try {
      const CudaDevice& found = RequireCudaDevice(number);
      const std::shared_ptr<Device> opened_device = OpenCudaDevice(number);
      OpenedPlan plan;
      opened_device->WithCurrent([&] {
        plan = OpenFittingPlan(plans, file.attachments, net, number, options.library_folders,
                               options.on_mismatch == OnMismatch::kRebuild);
      });
      auto opened = std::make_shared<DeviceTiler>(opened_device, plan.network, net,
                                                  file.manifest.normalisation, file.manifest.head);
      opened->WarmUp();
      gpu = std::move(opened);
      device = opened_device;
      info.device = "cuda:" + std::to_string(number);
      info.gpu =
          found.name + ", " + plan.key.flavour + " " + plan.key.version + ", " + plan.key.precision;
      return true;
    } catch (const Error& e) {
      if (!any && options.on_mismatch != OnMismatch::kCpu) throw;
      info.why_not_gpu = e.what();
      return false;
    }
  }

  // Exact tiles. (Networks without tiles go through the tiler of the host.)
  bool OnGpu(const SegmentOptions& options) const {
    return gpu && info.geometry.tileable && options.mode == TileMode::kExact;
  }

  void SegmentOnDevice(const ImageView& image, const OutputView& out, const SegmentOptions& options,
                       void* stream) const {
    const DefaultFloatEnvironment floats;
    RequireSegmentation();
    if (out.data == nullptr) throw Error(ErrorCode::kInvalidArgument, "the result has no memory");
    if (options.augmentation != Augmentation::kNone)
      throw Error(ErrorCode::kUnsupported, "images on a GPU are segmented without augmentation");
    if (!OnGpu(options))
      throw Error(ErrorCode::kUnsupported,
                  !gpu ? "arrays on a GPU need an engine on that GPU; this one runs on the CPU" +
                             (info.why_not_gpu.empty() ? "" : " (" + info.why_not_gpu + ")")
                       : "arrays on a GPU need exact mode and a network with tiles");
    gpu->SegmentOnDevice(image, out, options, stream);
  }

  void Segment(const ImageView& image, int64_t row_begin, int64_t row_end, const OutputView& out,
               const SegmentOptions& options) const {
    const DefaultFloatEnvironment floats;
    RequireSegmentation();
    const ThreadPool::Alone alone(options.one_thread);
    if (options.augmentation == Augmentation::kNone)
      return SegmentOnce(image, row_begin, row_end, out, options);
    CheckImage(image, info.geometry);
    if (row_begin != 0 || row_end != image.height || (image.rows != 0 && image.rows != row_end))
      throw Error(ErrorCode::kUnsupported, "augmentation needs the whole image, not a band of it");
    SegmentAugmented(
        image, out, options, info.geometry.classes, file.manifest.head, *pool,
        [&](const ImageView& view, const OutputView& logits, const SegmentOptions& once) {
          SegmentOnce(view, 0, view.height, logits, once);
        });
  }

  void SegmentOnce(const ImageView& image, int64_t row_begin, int64_t row_end,
                   const OutputView& out, const SegmentOptions& options) const {
    if (OnGpu(options))
      gpu->Segment(image, row_begin, row_end, out, options);
    else if (gpu && options.mode != TileMode::kExact && info.geometry.dense && row_begin == 0 &&
             row_end == image.height && (image.rows == 0 || image.rows == image.height))
      gpu->SegmentBlended(image, out, options);
    else
      tiler->Segment(image, row_begin, row_end, out, options);
  }

  void RequireSegmentation() const {
    if (file.manifest.task != "segmentation")
      throw Error(ErrorCode::kUnsupported,
                  "this engine's task is " + file.manifest.task + ", not segmentation");
  }
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Engine Engine::Open(const std::string& path, const EngineOptions& options) {
  const DefaultFloatEnvironment floats;
  return Engine(std::make_unique<Impl>(path, nullptr, options));
}

Engine Engine::Open(const std::string& path, const ExecutorFactory& factory,
                    const EngineOptions& options) {
  if (!factory) throw Error(ErrorCode::kInvalidArgument, "factory is empty");
  const DefaultFloatEnvironment floats;
  return Engine(std::make_unique<Impl>(path, factory, options));
}

const EngineInfo& Engine::info() const noexcept {
  return impl_->info;
}

TilePlan Engine::Plan(int64_t height, int64_t width, const SegmentOptions& options) const {
  const DefaultFloatEnvironment floats;
  return impl_->OnGpu(options) ? impl_->gpu->Plan(height, width, options)
                               : impl_->tiler->Plan(height, width, options);
}

void Engine::SegmentLabels(const ImageView& image, uint8_t* labels, int64_t row_stride,
                           const SegmentOptions& options) const {
  impl_->RequireSegmentation();
  if (labels == nullptr) throw Error(ErrorCode::kInvalidArgument, "labels is null");
  if (row_stride < image.width)
    throw Error(ErrorCode::kInvalidArgument, "row_stride " + std::to_string(row_stride) +
                                                 " is smaller than the width " +
                                                 std::to_string(image.width));
  impl_->Segment(image, 0, image.height, {OutputKind::kLabels, labels, row_stride, 0, 0}, options);
}

void Engine::SegmentScores(const ImageView& image, OutputKind kind, float* scores,
                           const SegmentOptions& options) const {
  impl_->RequireSegmentation();
  if (scores == nullptr) throw Error(ErrorCode::kInvalidArgument, "scores is null");
  if (kind == OutputKind::kLabels)
    throw Error(ErrorCode::kInvalidArgument, "scores are probabilities or logits, not labels");
  impl_->Segment(image, 0, image.height, {kind, scores, image.width, image.height * image.width, 0},
                 options);
}

void Engine::SegmentLabelsOnDevice(const ImageView& image, uint8_t* labels, int64_t row_stride,
                                   void* cuda_stream, const SegmentOptions& options) const {
  impl_->SegmentOnDevice(image, {OutputKind::kLabels, labels, row_stride, 0, 0}, options,
                         cuda_stream);
}

void Engine::SegmentScoresOnDevice(const ImageView& image, OutputKind kind, float* scores,
                                   void* cuda_stream, const SegmentOptions& options) const {
  if (kind == OutputKind::kLabels)
    throw Error(ErrorCode::kInvalidArgument, "scores are probabilities or logits, not labels");
  impl_->SegmentOnDevice(image, {kind, scores, image.width, image.height * image.width, 0}, options,
                         cuda_stream);
}

std::shared_ptr<void> Engine::AllocateOnDevice(size_t bytes) const {
  if (!impl_->device)
    throw Error(ErrorCode::kUnsupported, "memory on a GPU needs an engine on that GPU");
  return {impl_->device->Allocate(bytes),
          [device = impl_->device](void* memory) { device->Free(memory); }};
}

void Engine::StreamWait(void* stream, void* awaited) const {
  if (!impl_->device) throw Error(ErrorCode::kUnsupported, "streams need an engine on a GPU");
  impl_->device->WrapStream(stream)->WaitFor(*impl_->device->WrapStream(awaited));
}

void Engine::BandRows(int64_t height, int64_t width, int64_t row_begin, int64_t row_end,
                      const SegmentOptions& options, int64_t rows[2]) const {
  const DefaultFloatEnvironment floats;
  const Range need = impl_->OnGpu(options)
                         ? impl_->gpu->BandRows(height, width, row_begin, row_end, options)
                         : impl_->tiler->BandRows(height, width, row_begin, row_end, options);
  rows[0] = need.begin;
  rows[1] = need.end;
}

void Engine::SegmentBand(const ImageView& image, OutputKind kind, int64_t row_begin,
                         int64_t row_end, void* out, const SegmentOptions& options) const {
  impl_->RequireSegmentation();
  if (out == nullptr) throw Error(ErrorCode::kInvalidArgument, "out is null");
  impl_->Segment(image, row_begin, row_end,
                 {kind, out, image.width, (row_end - row_begin) * image.width, row_begin}, options);
}

void Engine::RunOutputShape(int64_t h, int64_t w, int64_t shape[3]) const {
  if (h < 1 || w < 1 || h > (1 << 20) || w > (1 << 20))
    throw Error(ErrorCode::kInvalidArgument, "input size " + std::to_string(h) + " x " +
                                                 std::to_string(w) + " px is out of range");
  const Extent out = Extents(impl_->file.graph, h, w)[impl_->file.graph.output];
  shape[0] = impl_->info.geometry.classes;
  shape[1] = out.size[0];
  shape[2] = out.size[1];
}

std::vector<OpTime> Engine::Profile(int64_t h, int64_t w, int passes) const {
  const DefaultFloatEnvironment floats;
  if (h < 1 || w < 1)
    throw Error(ErrorCode::kInvalidArgument, "input size " + std::to_string(h) + " x " +
                                                 std::to_string(w) + " px must be positive");
  if (passes < 1)
    throw Error(ErrorCode::kInvalidArgument,
                "passes " + std::to_string(passes) + " must be at least 1");
  return impl_->executor->Profile(h, w, passes);
}

void Engine::Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) const {
  const DefaultFloatEnvironment floats;
  int64_t shape[3];
  RunOutputShape(h, w, shape);
  impl_->executor->Run(in, out, n, h, w);
  if (!impl_->file.manifest.head_in_network) return;
  const int64_t pixels = shape[1] * shape[2];
  for (int64_t i = 0; i < n; ++i)
    ApplyHead(out + i * shape[0] * pixels, pixels, shape[0], pixels, impl_->file.manifest.head);
}

}  // namespace pyengine
