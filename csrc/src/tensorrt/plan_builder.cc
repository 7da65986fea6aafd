#include "tensorrt/plan_builder.h"

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <chrono>
#include <memory>

#include "core/sha256.h"
#include "cuda/cuda_driver.h"
#include "pyengine/error.h"
#include "tensorrt/log.h"

namespace pyengine {
namespace {

namespace trt = nvinfer1;

// The parser owns the network's constants until the plan is built.
std::unique_ptr<nvonnxparser::IParser> Parse(const TensorRtLibrary& library,
                                             const std::string& onnx,
                                             trt::INetworkDefinition& network, TensorRtLog& log) {
  std::unique_ptr<nvonnxparser::IParser> parser(static_cast<nvonnxparser::IParser*>(
      library.OpenParser()(&network, &log, NV_ONNX_PARSER_VERSION)));
  if (!parser) FailWith("TensorRT made no ONNX parser", log);
  if (parser->parse(onnx.data(), onnx.size())) return parser;
  std::string errors;
  for (int i = 0; i < parser->getNbErrors(); ++i)
    errors += std::string(i == 0 ? "" : "; ") + parser->getError(i)->desc();
  FailWith("TensorRT does not take the network: " + errors, log);
}

void AddProfile(trt::IBuilder& builder, trt::IBuilderConfig& config, const PlanRequest& request,
                TensorRtLog& log) {
  const PlanProfile& p = request.profile;
  trt::IOptimizationProfile* profile = builder.createOptimizationProfile();
  const auto set = [&](trt::OptProfileSelector which, int batch, int64_t height, int64_t width) {
    return profile->setDimensions(request.input_name.c_str(), which,
                                  trt::Dims4(batch, request.channels, height, width));
  };
  using Which = trt::OptProfileSelector;
  const bool fits = profile != nullptr && set(Which::kMIN, 1, p.min_height, p.min_width) &&
                    set(Which::kOPT, p.max_batch, p.max_height, p.max_width) &&
                    set(Which::kMAX, p.max_batch, p.max_height, p.max_width) &&
                    profile->isValid() && config.addOptimizationProfile(profile) >= 0;
  if (!fits) FailWith("TensorRT refused the profile", log);
}

PlanKey KeyOf(const TensorRtLibrary& library, const PlanRequest& request) {
  PlanKey key;
  key.flavour = FlavourName(library.flavour);
  key.version = library.VersionText();
  key.compute_capability = key.gpu = "any";
  // TensorRT for RTX leaves the choice of kernels to the machine that runs the plan; TensorRT times
  // them on the GPU that the plan is for.
  if (library.flavour == TensorRtFlavour::kTensorRt) {
    const CudaDevice& device = RequireCudaDevice(request.device);
    key.gpu = device.name;
    key.compute_capability = device.CapabilityText();
  }
  key.precision = request.precision;
  key.onnx_sha256 = Sha256Hex(request.onnx.data(), request.onnx.size());
  key.profile = request.profile;
  return key;
}

}  // namespace

int TensorRtHeaderMajor() {
  return NV_TENSORRT_MAJOR;
}

BuiltPlan BuildPlan(const TensorRtLibrary& library, const PlanRequest& request) {
  BuiltPlan plan;
  plan.key = KeyOf(library, request);
  const auto start = std::chrono::steady_clock::now();
  TensorRtLog log;
  const std::unique_ptr<trt::IBuilder> builder(
      static_cast<trt::IBuilder*>(library.create_builder(&log, NV_TENSORRT_VERSION)));
  if (!builder) FailWith("TensorRT made no builder", log);
  // Versions before 11 also have networks whose types the builder chooses.
#if NV_TENSORRT_MAJOR < 11
  const uint32_t flags =
      1u << static_cast<uint32_t>(trt::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
#else
  const uint32_t flags = 0;
#endif
  const std::unique_ptr<trt::INetworkDefinition> network(builder->createNetworkV2(flags));
  const std::unique_ptr<trt::IBuilderConfig> config(builder->createBuilderConfig());
  if (!network || !config) FailWith("TensorRT made no network", log);
  // Nothing else is called on `network`: the order of its functions is not the same in TensorRT
  // and TensorRT for RTX, whose headers are not public.
  const auto parser = Parse(library, request.onnx, *network, log);
  AddProfile(*builder, *config, request, log);
  config->clearFlag(trt::BuilderFlag::kTF32);  // float32 layers are there for their accuracy
  if (config->getFlag(trt::BuilderFlag::kTF32)) FailWith("TensorRT insists on TF32", log);
  std::unique_ptr<trt::ITimingCache> cache(
      config->createTimingCache(request.timing_cache.data(), request.timing_cache.size()));
  if (cache) config->setTimingCache(*cache, false);
  const std::unique_ptr<trt::IHostMemory> bytes(builder->buildSerializedNetwork(*network, *config));
  if (!bytes) FailWith("TensorRT built no plan", log);
  plan.bytes.assign(static_cast<const char*>(bytes->data()), bytes->size());
  if (cache) {
    const std::unique_ptr<trt::IHostMemory> times(cache->serialize());
    if (times) plan.timing_cache.assign(static_cast<const char*>(times->data()), times->size());
  }
  plan.log = log.lines();
  plan.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return plan;
}

}  // namespace pyengine
