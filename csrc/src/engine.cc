#include "pyengine/engine.h"

#include <thread>

#include "core/checked_math.h"
#include "core/thread_pool.h"
#include "cpu/cpu_executor.h"
#include "cpu/cpu_features.h"
#include "engine_file.h"
#include "graph/geometry.h"
#include "pyengine/error.h"
#include "tiling/tiler.h"

namespace pyengine {
namespace {

constexpr int kMaxThreads = 1024;

int ThreadCount(int wanted) {
  if (wanted < 0 || wanted > kMaxThreads)
    throw Error(ErrorCode::kInvalidArgument, "threads " + std::to_string(wanted) +
                                                 " must be from 1 to 1024, or 0 for every core");
  if (wanted > 0) return wanted;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return cores > 0 ? cores : 1;
}

EngineInfo Describe(const EngineFile& file, const GraphAnalysis& analysis) {
  EngineInfo info;
  info.task = file.task;
  info.geometry = analysis.network;
  info.not_tileable_reason = analysis.not_tileable_reason;
  info.receptive_field_px = analysis.receptive_field_px;
  info.flops_per_pixel = analysis.flops_per_pixel;
  info.sample_height = file.sample_height;
  info.sample_width = file.sample_width;
  info.activation = file.head == Head::kSoftmax   ? "softmax"
                    : file.head == Head::kSigmoid ? "sigmoid"
                                                  : "none";
  info.classes = file.classes;
  info.manifest_json = file.manifest_json;
  info.graph_json = file.graph_json;
  for (size_t i = 0; i < file.graph.nodes.size(); ++i) {
    const Node& node = file.graph.nodes[i];
    LayerInfo layer;
    layer.name = node.name;
    layer.op = OpName(node.op);
    layer.channels = file.graph.tensors[node.output].channels;
    layer.parameters = NodeParameters(node, file.weights);
    layer.flops_per_pixel = analysis.node_flops[i];
    layer.stride_px = analysis.stride_px[node.output];
    info.parameters += layer.parameters;
    info.layers.push_back(std::move(layer));
  }
  return info;
}

}  // namespace

struct Engine::Impl {
  EngineFile file;
  EngineInfo info;
  std::shared_ptr<ThreadPool> pool;
  std::shared_ptr<Executor> executor;
  std::unique_ptr<Tiler> tiler;

  Impl(const std::string& path, const ExecutorFactory& factory, const EngineOptions& options)
      : file(ReadEngineFile(path)) {
    const GraphAnalysis analysis = [&] {
      try {
        return Analyze(file.graph, file.sample_height, file.sample_width);
      } catch (const Error& e) {
        throw Error(ErrorCode::kBadEngineFile, path + ": graph: " + e.what());
      }
    }();
    const NetworkGeometry& net = analysis.network;
    if (net.tileable && (net.halo != file.halo || net.alignment != file.alignment))
      throw Error(ErrorCode::kBadEngineFile,
                  path + ": halo and alignment: the manifest says " + std::to_string(file.halo) +
                      " and " + std::to_string(file.alignment) + " px, the graph needs " +
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
    } else {
      const KernelTable& kernels = SelectKernels(options.isa);
      info.isa = kernels.isa;
      executor = std::make_shared<CpuExecutor>(file.graph, net, file.weights, kernels,
                                               options.accuracy == Accuracy::kFast, pool);
    }
    file.weights.clear();  // the executor has its own, packed
    tiler = std::make_unique<Tiler>(executor, file.normalisation, file.head,
                                    info.not_tileable_reason, pool);
  }

  void RequireSegmentation() const {
    if (file.task != "segmentation")
      throw Error(ErrorCode::kUnsupported,
                  "this engine's task is " + file.task + ", not segmentation");
  }
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Engine Engine::Open(const std::string& path, const EngineOptions& options) {
  return Engine(std::make_unique<Impl>(path, nullptr, options));
}

Engine Engine::Open(const std::string& path, const ExecutorFactory& factory,
                    const EngineOptions& options) {
  if (!factory) throw Error(ErrorCode::kInvalidArgument, "factory is empty");
  return Engine(std::make_unique<Impl>(path, factory, options));
}

const EngineInfo& Engine::info() const noexcept {
  return impl_->info;
}

TilePlan Engine::Plan(int64_t height, int64_t width, const SegmentOptions& options) const {
  return impl_->tiler->Plan(height, width, options);
}

void Engine::SegmentLabels(const ImageView& image, uint8_t* labels, int64_t row_stride,
                           const SegmentOptions& options) const {
  impl_->RequireSegmentation();
  if (labels == nullptr) throw Error(ErrorCode::kInvalidArgument, "labels is null");
  if (row_stride < image.width)
    throw Error(ErrorCode::kInvalidArgument, "row_stride " + std::to_string(row_stride) +
                                                 " is smaller than the width " +
                                                 std::to_string(image.width));
  impl_->tiler->Segment(image, 0, image.height, {OutputKind::kLabels, labels, row_stride, 0, 0},
                        options);
}

void Engine::SegmentScores(const ImageView& image, OutputKind kind, float* scores,
                           const SegmentOptions& options) const {
  impl_->RequireSegmentation();
  if (scores == nullptr) throw Error(ErrorCode::kInvalidArgument, "scores is null");
  if (kind == OutputKind::kLabels)
    throw Error(ErrorCode::kInvalidArgument, "scores are probabilities or logits, not labels");
  impl_->tiler->Segment(image, 0, image.height,
                        {kind, scores, image.width, image.height * image.width, 0}, options);
}

void Engine::BandRows(int64_t height, int64_t width, int64_t row_begin, int64_t row_end,
                      const SegmentOptions& options, int64_t rows[2]) const {
  const Range need = impl_->tiler->BandRows(height, width, row_begin, row_end, options);
  rows[0] = need.begin;
  rows[1] = need.end;
}

void Engine::SegmentBand(const ImageView& image, OutputKind kind, int64_t row_begin,
                         int64_t row_end, void* out, const SegmentOptions& options) const {
  impl_->RequireSegmentation();
  if (out == nullptr) throw Error(ErrorCode::kInvalidArgument, "out is null");
  impl_->tiler->Segment(image, row_begin, row_end,
                        {kind, out, image.width, (row_end - row_begin) * image.width, row_begin},
                        options);
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
  if (h < 1 || w < 1)
    throw Error(ErrorCode::kInvalidArgument, "input size " + std::to_string(h) + " x " +
                                                 std::to_string(w) + " px must be positive");
  if (passes < 1)
    throw Error(ErrorCode::kInvalidArgument,
                "passes " + std::to_string(passes) + " must be at least 1");
  return impl_->executor->Profile(h, w, passes);
}

void Engine::Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) const {
  int64_t shape[3];
  RunOutputShape(h, w, shape);
  impl_->executor->Run(in, out, n, h, w);
  if (!impl_->file.head_in_network) return;
  const int64_t pixels = shape[1] * shape[2];
  for (int64_t i = 0; i < n; ++i)
    ApplyHead(out + i * shape[0] * pixels, pixels, shape[0], pixels, impl_->file.head);
}

}  // namespace pyengine
