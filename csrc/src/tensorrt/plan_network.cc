#include "tensorrt/plan_network.h"

#include <NvInferRuntime.h>

#include "core/recent.h"
#include "cuda/cuda_check.h"
#include "tensorrt/log.h"

namespace pyengine {
namespace {

namespace trt = nvinfer1;

// A few batch sizes (full, and what remains at an image's end) of a few image sizes.
constexpr size_t kKeptGraphs = 16;

struct GraphDeleter {
  void operator()(cudaGraphExec_t graph) const noexcept { cudaGraphExecDestroy(graph); }
};
using GraphExec = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, GraphDeleter>;

// What lanes share; the runtime must outlive its engine.
struct Plan {
  TensorRtLog log;
  int device = 0;  // CUDA's number of the GPU that the plan was opened on
  std::unique_ptr<trt::IRuntime> runtime;
  std::unique_ptr<trt::ICudaEngine> engine;
  std::string input, output;
  bool half_input = false;
};

class PlanLane final : public DeviceNetwork::Lane {
 public:
  PlanLane(std::shared_ptr<Plan> plan, const NetworkGeometry& geometry)
      : plan_(std::move(plan)), net_(geometry) {
    const OnDevice on(plan_->device);
    context_.reset(plan_->engine->createExecutionContext());
    if (!context_) FailWith("TensorRT made no execution context", plan_->log);
  }

  void Run(DeviceStream& stream, const void* windows, float* logits, int64_t n, int64_t h,
           int64_t w) override {
    const OnDevice on(plan_->device);
    auto* handle = static_cast<cudaStream_t>(stream.handle());
    const Call call{windows, logits, n, h, w};
    if (const GraphExec* graph = graphs_.Find(call)) {
      CudaCheck(cudaGraphLaunch(graph->get(), handle), "cudaGraphLaunch");
      return;
    }
    Bind(call);
    // The first run of a shape may allocate and load kernels, which cannot be captured.
    Enqueue(handle);
    if (can_capture_) Capture(call, handle);
  }

 private:
  struct Call {
    const void* windows;
    float* logits;
    int64_t n, h, w;
    bool operator==(const Call& o) const {
      return windows == o.windows && logits == o.logits && n == o.n && h == o.h && w == o.w;
    }
  };

  void Bind(const Call& call) {
    const trt::Dims4 shape(call.n, net_.channels, call.h, call.w);
    if (!context_->setInputShape(plan_->input.c_str(), shape) ||
        !context_->setTensorAddress(plan_->input.c_str(), const_cast<void*>(call.windows)) ||
        !context_->setTensorAddress(plan_->output.c_str(), call.logits))
      FailWith("TensorRT does not take inputs of " + std::to_string(call.n) + " x " +
                   std::to_string(call.h) + " x " + std::to_string(call.w) + " px",
               plan_->log);
    const trt::Dims result = context_->getTensorShape(plan_->output.c_str());
    const int64_t want[4] = {call.n, net_.classes, call.h - 2 * net_.margin,
                             call.w - 2 * net_.margin};
    for (int i = 0; i < 4; ++i)
      if (result.nbDims != 4 || result.d[i] != want[i])
        FailWith("the plan's output has another shape than the network's", plan_->log);
  }

  void Enqueue(cudaStream_t handle) {
    if (!context_->enqueueV3(handle)) FailWith("TensorRT could not run the plan", plan_->log);
  }

  // A stream that cannot capture the plan (it says so once) runs it call by call.
  void Capture(const Call& call, cudaStream_t handle) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    // A relaxed capture would record what other threads of the host do meanwhile.
    bool done = cudaStreamBeginCapture(handle, cudaStreamCaptureModeThreadLocal) == cudaSuccess;
    if (done) {
      done = context_->enqueueV3(handle);
      done = cudaStreamEndCapture(handle, &graph) == cudaSuccess && done;
    }
    done = done && cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess;
    if (graph != nullptr) cudaGraphDestroy(graph);
    if (!done) {
      (void)cudaGetLastError();
      plan_->log.TakeErrors();
      can_capture_ = false;
      return;
    }
    graphs_.Add(call, GraphExec(exec));
  }

  std::shared_ptr<Plan> plan_;
  const NetworkGeometry net_;
  std::unique_ptr<trt::IExecutionContext> context_;
  Recent<Call, GraphExec> graphs_{kKeptGraphs};
  bool can_capture_ = true;
};

class PlanNetwork final : public DeviceNetwork {
 public:
  PlanNetwork(std::shared_ptr<Plan> plan, const PlanProfile& profile,
              const NetworkGeometry& geometry)
      : plan_(std::move(plan)), profile_(profile), net_(geometry) {}

  std::unique_ptr<Lane> MakeLane() override { return std::make_unique<PlanLane>(plan_, net_); }
  bool half_input() const override { return plan_->half_input; }
  int64_t max_height() const override { return profile_.max_height; }
  int64_t max_width() const override { return profile_.max_width; }
  int max_batch() const override { return profile_.max_batch; }

 private:
  std::shared_ptr<Plan> plan_;
  PlanProfile profile_;
  NetworkGeometry net_;
};

// The functions of TensorRT for RTX are called in the order of the public headers of TensorRT,
// which its own need not share: the first answers tell.
void CheckAnswers(Plan& plan) {
  const auto unexpected = [&](const std::string& what) {
    FailWith("the library answers otherwise than the headers of this build expect (" + what + ")",
             plan.log);
  };
  if (plan.engine->getNbIOTensors() != 2) unexpected("number of tensors");
  for (int i = 0; i < 2; ++i) {
    const char* name = plan.engine->getIOTensorName(i);
    if (name == nullptr) unexpected("name of a tensor");
    const bool input = plan.engine->getTensorIOMode(name) == trt::TensorIOMode::kINPUT;
    (input ? plan.input : plan.output) = name;
  }
  if (plan.input.empty() || plan.output.empty()) unexpected("direction of a tensor");
  const trt::DataType in = plan.engine->getTensorDataType(plan.input.c_str());
  const trt::DataType out = plan.engine->getTensorDataType(plan.output.c_str());
  if ((in != trt::DataType::kHALF && in != trt::DataType::kFLOAT) || out != trt::DataType::kFLOAT)
    unexpected("type of a tensor");
  plan.half_input = in == trt::DataType::kHALF;
}

}  // namespace

bool CanRunPlans() {
  return true;
}

std::shared_ptr<DeviceNetwork> OpenPlan(const TensorRtLibrary& library, const std::string& bytes,
                                        const PlanKey& key, const NetworkGeometry& geometry) {
  auto plan = std::make_shared<Plan>();
  plan->runtime.reset(
      static_cast<trt::IRuntime*>(library.create_runtime(&plan->log, NV_TENSORRT_VERSION)));
  if (!plan->runtime) FailWith("TensorRT made no runtime", plan->log);
  plan->engine.reset(plan->runtime->deserializeCudaEngine(bytes.data(), bytes.size()));
  if (!plan->engine) FailWith("TensorRT refused the plan", plan->log);
  CheckAnswers(*plan);
  CudaCheck(cudaGetDevice(&plan->device), "cudaGetDevice");
  return std::make_shared<PlanNetwork>(std::move(plan), key.profile, geometry);
}

}  // namespace pyengine
