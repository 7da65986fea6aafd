// Runs a plan: operation by operation, in the order of its schedule, shared among threads.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/held_bytes.h"
#include "core/platform/file_memory.h"
#include "core/thread_pool.h"
#include "cpu/plan.h"
#include "graph/graph.h"

namespace pyengine {

// A plan's memory; grown, never shrunk.
struct Context {
  // `total`: where its bytes count; may be null.
  explicit Context(std::atomic<int64_t>* total = nullptr) : held(total) {}

  std::shared_ptr<const Plan> plan;
  AlignedBuffer<float> arena;
  HeldBytes held;  // those of the arena
  // Set at each call; both move as storages roll.
  std::vector<Plane> planes;       // one per plan->specs
  std::vector<int64_t> first_row;  // per storage: the row at the front of its memory

  // Takes up `wanted`: room in the arena for the team's threads, and for its planes.
  void Fit(std::shared_ptr<const Plan> wanted, ThreadPool& pool);
};

// Computes `out` from `in`. `seconds`: null, or one number per operation to be set. `graph` is the
// program's, for the names of its layers.
// Throws Error(kNotFinite) where a scope of finite_check.h asks for it.
void RunPlan(const Graph& graph, const KernelTable& kernels, ThreadPool& pool, Context& context,
             const float* in, float* out, double* seconds = nullptr);

// Where the planes of a plan from MakePlanWithin lie, its input and output included.
struct PlanFile {
  const FileMemory& memory;
  const float* in;
  float* out;
  float* planes;
};

// Rows in the file leave memory with the work that used them. `progress` learns how many of the
// plan's works are done.
void RunPlanInFile(const Graph& graph, const KernelTable& kernels, ThreadPool& pool,
                   Context& context, const PlanFile& file,
                   const std::function<void(int64_t, int64_t)>& progress);

}  // namespace pyengine
