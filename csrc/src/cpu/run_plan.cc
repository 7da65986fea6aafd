#include "cpu/run_plan.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>

#include "core/cancellation.h"
#include "core/checked_math.h"
#include "core/finite_check.h"
#include "core/scheduler.h"
#include "cpu/layout_ops.h"
#include "cpu/steps/step_run.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

using Clock = std::chrono::steady_clock;

class PlanRunner {
 public:
  PlanRunner(const Graph& graph, const KernelTable& kernels, ThreadPool& pool, Context& context)
      : graph_(graph), kernels_(kernels), pool_(pool), context_(context) {}

  void Run(const float* in, float* out, double* seconds);

 private:
  void RunStep(const Op& op, const Work& work);
  void RequireFinite(const Op& op, const Work& work);
  void FillBorderRows(int storage, const Work& work);
  void PointPlanes(const float* in, float* out);
  void RollRows(const Roll& roll);

  const Graph& graph_;
  const KernelTable& kernels_;
  ThreadPool& pool_;
  Context& context_;
};

void PlanRunner::Run(const float* in, float* out, double* seconds) {
  const Plan& plan = *context_.plan;
  const Program& program = *plan.program;
  PointPlanes(in, out);
  if (seconds) std::fill_n(seconds, program.ops.size(), 0.0);
  const bool check_finite = FiniteCheckScope::Wanted();
  for (const Work& work : plan.schedule) {
    ThrowIfCancelled();
    OfferTurn();
    const auto start = seconds ? Clock::now() : Clock::time_point();
    for (const Roll& roll : work.rolls) RollRows(roll);
    const OpPlan& op = plan.ops[work.op];
    if (op.width > 0 && op.depth > 0 && op.pooled_by < 0) {
      RunStep(program.ops[work.op], work);
      if (check_finite) RequireFinite(program.ops[work.op], work);
    }
    for (int s : op.borders_after) FillBorderRows(s, work);
    if (seconds) seconds[work.op] += std::chrono::duration<double>(Clock::now() - start).count();
  }
}

// Every storage begins with its first row.
void PlanRunner::PointPlanes(const float* in, float* out) {
  const Plan& plan = *context_.plan;
  const std::vector<Storage>& storages = plan.program->storages;
  for (size_t s = 0; s < storages.size(); ++s) context_.first_row[s] = plan.buffers[s].y0;
  const int last = static_cast<int>(storages.size()) - 1;
  for (size_t p = 0; p < plan.specs.size(); ++p) {
    const PlaneSpec& spec = plan.specs[p];
    float* base = context_.arena.data();
    // Kernels never write through their input planes.
    if (storages[spec.storage].external) base = spec.storage == last ? out : const_cast<float*>(in);
    context_.planes[p] = {.data = base + spec.offset, .row_stride = spec.row_stride};
  }
}

void PlanRunner::RollRows(const Roll& roll) {
  const Plan& plan = *context_.plan;
  const Buffer& buffer = plan.buffers[roll.storage];
  const int64_t distance = roll.by * buffer.row_stride;
  pool_.ParallelFor(plan.program->storages[roll.storage].blocks(), [&](int64_t block) {
    float* front = context_.arena.data() + buffer.offset + block * buffer.block_floats;
    std::memmove(front, front + distance,
                 static_cast<size_t>(roll.rows * buffer.row_stride) * sizeof(float));
  });
  context_.first_row[roll.storage] += roll.by;
  for (size_t p = 0; p < plan.specs.size(); ++p)
    if (plan.specs[p].storage == roll.storage) context_.planes[p].data -= distance;
}

// Padding beside the rows just computed, and above the first and below the last row.
void PlanRunner::FillBorderRows(int s, const Work& work) {
  const Plan& plan = *context_.plan;
  const Storage& storage = plan.program->storages[s];
  const Buffer& b = plan.buffers[s];
  const Extent& extent = plan.extents[storage.tensor];
  const OpPlan& op = plan.ops[work.op];
  const auto written = [&](int64_t begin, int64_t end, int64_t all, Axis axis) {
    const int64_t step = op.out_step[axis];
    return Range{.begin = begin * step, .end = end == all ? extent.size[axis] : end * step};
  };
  const Range rows = written(work.y_begin, work.y_end, op.height, Axis::kY);
  const Range slices = written(work.z_begin, work.z_end, op.depth, Axis::kZ);
  const int64_t blocks = storage.blocks();
  pool_.ParallelFor(blocks * slices.size(), [&](int64_t i) {
    const int64_t slice = (slices.begin + i / blocks) % b.slices_held;
    const Plane plane{.data = context_.arena.data() + b.offset + i % blocks * b.block_floats +
                              slice * b.slice_floats - context_.first_row[s] * b.row_stride -
                              b.x0 * storage.lanes,
                      .row_stride = b.row_stride};
    FillBorder(plane, storage.lanes, extent.size.y, extent.size.x, storage.border,
               storage.border_mode, storage.border_value, rows.begin, rows.end);
  });
}

void PlanRunner::RunStep(const Op& op, const Work& work) {
  const Plan& plan = *context_.plan;
  const OpPlan& sizes = plan.ops[work.op];
  op.step->Run({.op = op,
                .plan = sizes,
                .work = work,
                .all = plan,
                .planes = context_.planes.data(),
                .kernels = kernels_,
                .pool = pool_,
                .scratch = context_.arena.data() + plan.arena_floats,
                .scratch_stride = plan.scratch_floats});
}

// Rows just computed. Lanes past the last channel may hold anything.
void PlanRunner::RequireFinite(const Op& op, const Work& work) {
  const OpPlan& sizes = context_.plan->ops[work.op];
  const Plane* planes = context_.planes.data() + sizes.out_begin;
  const auto count = static_cast<int64_t>(op.out.size());
  const int64_t blocks = CeilDiv(op.channels, op.out_lanes), phases = CeilDiv(count, blocks);
  std::atomic<int64_t> bad{count};  // the first plane that holds something else
  pool_.ParallelFor(count, [&](int64_t i) {
    const int64_t live = std::min(op.out_lanes, op.channels - i / phases * op.out_lanes);
    bool finite = true;
    for (int64_t z = work.z_begin; z < work.z_end; ++z) {
      const Plane& plane = planes[z * count + i];
      for (int64_t y = work.y_begin; y < work.y_end; ++y)
        for (int64_t x = 0; x < sizes.width; ++x)
          finite &= AreFinite(plane.data + y * plane.row_stride + x * op.out_lanes, live);
    }
    for (int64_t known = bad; !finite && i < known;) bad.compare_exchange_weak(known, i);
  });
  if (bad == count) return;
  const int64_t first = bad / phases * op.out_lanes;
  const int64_t last = std::min(op.channels, first + op.out_lanes) - 1;
  throw Error(ErrorCode::kNotFinite,
              "NaN or infinity arose in the network: layer '" + graph_.nodes[op.node].name +
                  "' gave it in " + (first == last ? "channel " : "channels ") +
                  std::to_string(first) +
                  (first == last ? std::string() : " to " + std::to_string(last)));
}

}  // namespace

void Context::Fit(std::shared_ptr<const Plan> wanted, ThreadPool& pool) {
  if (plan == wanted) return;
  plan.reset();
  const auto floats =
      static_cast<size_t>(wanted->arena_floats + pool.threads() * wanted->scratch_floats);
  if (arena.size() < floats) {
    arena = {};  // first, so that never both are there
    held.Set(0);
    arena = AlignedBuffer<float>(floats);
    held.Set(static_cast<int64_t>(floats * sizeof(float)));
    // Lanes past the last channel are read by element-wise kernels: they must hold numbers. The
    // pass also faults every page in, once: most of a first call's extra time, hence shared.
    constexpr size_t kPieceFloats = size_t(1) << 18;
    pool.ParallelFor(CeilDiv(int64_t(floats), int64_t(kPieceFloats)), [&](int64_t i) {
      const size_t begin = size_t(i) * kPieceFloats;
      std::fill_n(arena.data() + begin, std::min(kPieceFloats, floats - begin), 0.0f);
    });
  }
  for (const ConstantRow& row : wanted->constant_rows)
    std::fill_n(arena.data() + row.offset, row.floats, row.value);
  planes.resize(wanted->specs.size());
  first_row.resize(wanted->buffers.size());
  plan = std::move(wanted);
}

void RunPlan(const Graph& graph, const KernelTable& kernels, ThreadPool& pool, Context& context,
             const float* in, float* out, double* seconds) {
  PlanRunner(graph, kernels, pool, context).Run(in, out, seconds);
}

}  // namespace pyengine
