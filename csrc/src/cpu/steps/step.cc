#include "cpu/steps/step.h"

#include "core/checked_math.h"
#include "cpu/plan.h"
#include "graph/ops/op_type.h"

namespace pyengine {

Step::~Step() = default;

void Step::Share(const Op& op, const OpPlan& /*plan*/, int threads, Work& work) const {
  work.block_step = 1;
  SetRowPieces(CeilDiv(WantedPieces(threads), static_cast<int64_t>(op.out.size())), work);
}

int64_t Step::ScratchFloats(const Op& /*op*/, const OpPlan& /*plan*/, const Work& /*work*/,
                            int /*threads*/) const {
  return 0;
}

double Step::Cost(double flops, double bytes) const {
  // Fitted to profiles: how far kernels stay below the peak, and what moving a byte costs.
  // benchmarks/cost_model.py compares with measured times.
  constexpr double kDirect = 1.25, kPerByte = 10;
  return kDirect * flops + kPerByte * bytes;
}

int64_t WantedPieces(int threads) {
  return threads == 1 ? 1 : int64_t(threads) * 4;
}

void ShareConv(const Op& op, int64_t taps, int threads, Work& work) {
  const auto blocks = static_cast<int64_t>(op.out.size());
  const int64_t rows = std::max<int64_t>(1, work.rows());
  const int64_t wanted = WantedPieces(threads);
  // Kernels of one tap read a piece's inputs once for all its blocks: only where rows are too few
  // for the threads (linear layers) are blocks dealt out.
  const int64_t by_blocks = std::clamp<int64_t>(wanted / rows, 1, blocks);
  work.block_step = taps == 1 ? CeilDiv(blocks, by_blocks) : std::min<int64_t>(blocks, 4);
  SetRowPieces(wanted / CeilDiv(blocks, work.block_step), work);
}

void SetRowPieces(int64_t wanted, Work& work) {
  const int64_t of_slice = CeilDiv(wanted, std::max<int64_t>(1, work.slices()));
  work.row_pieces =
      std::clamp<int64_t>(of_slice, 1, std::max<int64_t>(1, work.y_end - work.y_begin));
}

Placing PlaceAlike(const Region& out) {
  Placing placing;
  for (Axis axis : kAxes) {
    placing.in_at[axis] = placing.out_at[axis] = out.axis[axis].begin;
    placing.size[axis] = std::max<int64_t>(0, out.axis[axis].size());
  }
  return placing;
}

Placing RowByRow::Place(const Region& out, const Region& /*in*/) const {
  return PlaceAlike(out);
}

// Never asked: their rows are not interleaved with others.
int64_t WholePlane::FirstInputRow(const OpPlan& /*plan*/, int64_t /*y*/) const {
  return 0;
}

int64_t WholePlane::InputRowsEnd(const OpPlan& plan, int64_t /*y_end*/) const {
  return std::get<WholePlanePart>(plan.part).size.y;
}

// Of the input for each output slice.
static SliceTaps AllSlices(int64_t inputs, int64_t outputs) {
  SliceTaps slices{.count = inputs, .index = {}};
  for (int64_t z = 0; z < outputs; ++z)
    for (int64_t tap = 0; tap < inputs; ++tap) slices.index.push_back(tap);
  return slices;
}

Placing WholePlane::Place(const Region& out, const Region& in) const {
  Placing placing = PlaceAlike(out);
  placing.in_at = {};
  const Axes size{.z = in.axis.z.size(), .y = in.axis.y.size(), .x = in.axis.x.size()};
  placing.slices = AllSlices(size.z, placing.size.z);
  placing.part = WholePlanePart{.size = size};
  return placing;
}

Placing PlaceWindows(const WindowShape& window, const Amounts& padding, const Region& out,
                     const Region& in) {
  Placing placing = PlaceAlike(out);
  WindowPart part;
  for (Axis axis : kAxes) {
    const Range& pixels = in.axis[axis];
    const int64_t before = padding.before[axis], after = padding.after[axis];
    const int64_t at = out.axis[axis].begin * window.stride[axis] - before;
    placing.in_at[axis] = at;
    // On the infinite plane the region holds every tap by construction.
    part.valid[axis] = {.begin = pixels.begin - at, .end = pixels.end - at};
    part.padded[axis] = {.begin = part.valid[axis].begin - before,
                         .end = part.valid[axis].end + after};
  }
  placing.slices = SlicesUnder(window, placing.in_at.z, placing.size.z);
  placing.part = part;
  return placing;
}

SliceTaps SlicesUnder(const WindowShape& window, int64_t at, int64_t count) {
  SliceTaps slices{.count = window.kernel.z, .index = {}};
  for (int64_t z = 0; z < count; ++z)
    for (int64_t tap = 0; tap < window.kernel.z; ++tap)
      slices.index.push_back(at + z * window.stride.z + tap * window.dilation.z);
  return slices;
}

PoolAxis AxisOf(const WindowShape& window, const WindowPart& part, Axis axis) {
  const Range& valid = part.valid[axis];
  return {.kernel = window.kernel[axis],
          .stride = window.stride[axis],
          .dilation = window.dilation[axis],
          .valid_begin = valid.begin,
          .valid_end = valid.end,
          .counted_begin = valid.begin,
          .counted_end = valid.end};
}

WindowShape WindowOf(const Node& node) {
  return {.kernel = node.kernel, .stride = node.stride, .dilation = node.dilation};
}

}  // namespace pyengine
