// The network on the CPU.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>

#include "core/lender.h"
#include "core/recent.h"
#include "core/thread_pool.h"
#include "cpu/program.h"
#include "cpu/run_plan.h"
#include "cpu/weight_pack.h"
#include "graph/geometry.h"
#include "pyengine/executor.h"

namespace pyengine {

// Thread-safe: plans of the sizes used last are shared; every call borrows a context (an arena and
// the planes of a plan in it), and nothing is allocated once as many contexts exist as calls run at
// a time, up to four, and each has met the largest size.
class CpuExecutor final : public Executor {
 public:
  // `fast`: algorithms that round more than float32 does by itself are allowed. `graph` must
  // outlive the executor; `weights` are packed here and not needed afterwards.
  CpuExecutor(const Graph& graph, const NetworkGeometry& geometry, const WeightMap& weights,
              const KernelTable& kernels, bool fast, std::shared_ptr<ThreadPool> pool);
  ~CpuExecutor() override;

  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) override;
  void RunVolume(const float* in, float* out, int64_t n, TileSize size) override;
  int64_t TileGrid() const override { return std::max(tile_grid_.y, tile_grid_.x); }
  int64_t TileReach() const override { return std::max(tile_reach_.y, tile_reach_.x); }
  TileSize BoxGrid() const override { return SizeOf(tile_grid_); }
  TileSize BoxReach() const override { return SizeOf(tile_reach_); }
  bool Repeatable() const override { return true; }
  Window WindowFor(const Tile& tile) const override;
  void RunTile(const float* windows, float* logits, int64_t n, const Tile& tile) override;
  int64_t TileMemoryBytes(const Tile& tile) const override;
  double TileCost(const Tile& tile) const override;
  std::vector<OpTime> Profile(int64_t h, int64_t w, int passes) override;
  std::vector<OpTime> ProfileVolume(TileSize size, int passes) override;
  int64_t RunMemoryBytes(int64_t h, int64_t w) const override;
  int64_t RunVolumeMemoryBytes(TileSize size) const override;
  // Planes beyond `limits` lie in a file in ScratchFolder().
  void RunRows(int64_t h, int64_t w, const ReadRows& read, const WriteRows& write,
               const RunLimits& limits) override;
  MemoryUse Memory() const override;
  void Trim() override { contexts_.Trim(); }

 private:
  struct Key {
    const Program* program;
    Tile tile;                 // whole_program_: the input's size, twice
    int64_t memory_bytes = 0;  // as of MakePlanWithin; 0: as much as it takes
    bool operator==(const Key& o) const {
      return program == o.program && tile == o.tile && memory_bytes == o.memory_bytes;
    }
  };

  static TileSize SizeOf(const Axes& axes) {
    return {.height = axes.y, .width = axes.x, .depth = axes.z};
  }
  std::vector<Region> TileRegions(const Tile& tile) const;
  int64_t FindTileReach(Axis axis) const;
  std::shared_ptr<const Plan> FindPlan(const Key& key);
  Lender<Context>::Lease Borrow(const Key& key);

  const Graph& graph_;
  const KernelTable& kernels_;
  std::shared_ptr<ThreadPool> pool_;
  PackedWeights packed_;
  Program tile_program_, whole_program_;
  std::vector<Axes> grid_;  // per tensor: tiles compute it in whole blocks of this many pixels
  Axes tile_grid_ = kOnes, tile_reach_;

  std::mutex mutex_;
  Recent<Key, std::shared_ptr<const Plan>> plans_;
  std::atomic<int64_t> contexts_bytes_{0};
  Lender<Context> contexts_;
};

}  // namespace pyengine
