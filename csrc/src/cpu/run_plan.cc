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
  PlanRunner(const Graph& graph, const KernelTable& kernels, ThreadPool& pool, Context& context,
             const float* in, float* out, const PlanFile* file = nullptr)
      : graph_(graph),
        kernels_(kernels),
        pool_(pool),
        context_(context),
        in_(in),
        out_(out),
        file_(file) {}

  void Run(double* seconds, const std::function<void(int64_t, int64_t)>& progress = nullptr);

 private:
  // Where the offsets of a storage's buffer count from.
  float* Base(size_t storage) const;
  void RunStep(const Op& op, const Work& work);
  void RequireFinite(const Op& op, const Work& work);
  void FillBorderRows(int storage, const Work& work);
  void PointPlanes();
  void RollRows(const Roll& roll);
  void ReleaseRows(const Work& work) const;
  void Release(const BlockRef& ref, int64_t y_begin, int64_t y_end) const;

  const Graph& graph_;
  const KernelTable& kernels_;
  ThreadPool& pool_;
  Context& context_;
  const float* const in_;
  float* const out_;
  const PlanFile* const file_;
};

void PlanRunner::Run(double* seconds, const std::function<void(int64_t, int64_t)>& progress) {
  const Plan& plan = *context_.plan;
  const Program& program = *plan.program;
  PointPlanes();
  int64_t done = 0;
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
    if (file_ != nullptr) ReleaseRows(work);
    if (progress) progress(++done, static_cast<int64_t>(plan.schedule.size()));
  }
}

float* PlanRunner::Base(size_t storage) const {
  const Plan& plan = *context_.plan;
  if (plan.program->storages[storage].external)
    // Kernels never write through their input planes.
    return storage + 1 == plan.program->storages.size() ? out_ : const_cast<float*>(in_);
  return plan.buffers[storage].in_file ? file_->planes : context_.arena.data();
}

// Every storage begins with its first row.
void PlanRunner::PointPlanes() {
  const Plan& plan = *context_.plan;
  for (size_t s = 0; s < plan.buffers.size(); ++s) context_.first_row[s] = plan.buffers[s].y0;
  for (size_t p = 0; p < plan.specs.size(); ++p) {
    const PlaneSpec& spec = plan.specs[p];
    context_.planes[p] = {.data = Base(spec.storage) + spec.offset, .row_stride = spec.row_stride};
  }
}

void PlanRunner::RollRows(const Roll& roll) {
  const Plan& plan = *context_.plan;
  const Buffer& buffer = plan.buffers[roll.storage];
  const int64_t distance = roll.by * buffer.row_stride;
  pool_.ParallelFor(plan.program->storages[roll.storage].blocks(), [&](int64_t block) {
    float* front = Base(roll.storage) + buffer.offset + block * buffer.block_floats;
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
    const Plane plane{.data = Base(s) + b.offset + i % blocks * b.block_floats +
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

// What the next work needs of these rows comes back without reading the disk, as a rule.
void PlanRunner::ReleaseRows(const Work& work) const {
  const Op& op = context_.plan->program->ops[work.op];
  const OpPlan& plan = context_.plan->ops[work.op];
  for (const BlockRef& ref : op.out)
    Release(ref, plan.out_at.y + work.y_begin * plan.out_step.y,
            plan.out_at.y + work.y_end * plan.out_step.y);
  if (work.y_end == work.y_begin) return;
  for (int i = 0; i < kOpInputs; ++i)
    for (const BlockRef& ref : op.in[i])
      Release(ref, plan.in_at[i].y + op.step->FirstInputRow(plan, work.y_begin),
              plan.in_at[i].y + op.step->InputRowsEnd(plan, work.y_end));
}

void PlanRunner::Release(const BlockRef& ref, int64_t y_begin, int64_t y_end) const {
  const Buffer& b = context_.plan->buffers[ref.storage];
  if (!b.in_file) return;
  const int64_t first = context_.first_row[ref.storage];
  const int64_t begin = std::max<int64_t>(0, y_begin + ref.shift.y - first);
  const int64_t end = std::min(b.rows_held, y_end + ref.shift.y - first);
  if (end > begin)
    file_->memory.Release(
        Base(ref.storage) + b.offset + ref.block * b.block_floats + begin * b.row_stride,
        (end - begin) * b.row_stride);
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
  PlanRunner(graph, kernels, pool, context, in, out).Run(seconds);
}

void RunPlanInFile(const Graph& graph, const KernelTable& kernels, ThreadPool& pool,
                   Context& context, const PlanFile& file,
                   const std::function<void(int64_t, int64_t)>& progress) {
  PlanRunner(graph, kernels, pool, context, file.in, file.out, &file).Run(nullptr, progress);
}

}  // namespace pyengine
