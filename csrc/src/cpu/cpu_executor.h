// The network on the CPU.
#pragma once

#include <list>
#include <memory>
#include <mutex>

#include "core/thread_pool.h"
#include "cpu/plan.h"
#include "cpu/program.h"
#include "cpu/weight_pack.h"
#include "graph/geometry.h"
#include "pyengine/executor.h"

namespace pyengine {

// Thread-safe: every call borrows a context (plan and arena) of its size from a small cache, and
// nothing is allocated once as many contexts exist as calls run at a time.
class CpuExecutor final : public Executor {
 public:
  // `graph` must outlive the executor; `weights` are packed here and not needed afterwards.
  CpuExecutor(const Graph& graph, const NetworkGeometry& geometry, const WeightMap& weights,
              const KernelTable& kernels, std::shared_ptr<ThreadPool> pool);
  ~CpuExecutor() override;

  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) override;
  int64_t TileGrid() const override { return tile_grid_; }
  Window WindowFor(TileSize tile) const override;
  void RunTile(const float* windows, float* logits, int64_t n, TileSize tile) override;
  int64_t TileMemoryBytes(TileSize tile) const override;
  double TileCost(TileSize tile) const override;
  int64_t RunMemoryBytes(int64_t h, int64_t w) const override;

 private:
  struct Context;
  using Key = std::pair<const Program*, std::pair<int64_t, int64_t>>;

  std::vector<Region> TileRegions(TileSize tile) const;
  // A list of one context: nodes move between lists, so that lending allocates nothing.
  using Loan = std::list<std::unique_ptr<Context>>;
  Loan Borrow(const Key& key);
  void Return(Loan loan);
  void Execute(Context& context, const float* in, float* out);
  void RunStep(const Op& op, const OpPlan& plan, Context& context);

  const Graph& graph_;
  const KernelTable& kernels_;
  std::shared_ptr<ThreadPool> pool_;
  PackedWeights packed_;
  Program tile_program_, whole_program_;
  std::vector<int64_t> grid_;  // per tensor: tiles compute it in whole blocks of this many pixels
  int64_t tile_grid_ = 1;

  std::mutex mutex_;
  std::list<std::unique_ptr<Context>> idle_;  // most recently used first
};

}  // namespace pyengine
