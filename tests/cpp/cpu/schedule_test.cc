// Plans of large images, replayed step by step: every row that an operation reads was written
// before and is still held, and nothing is written over rows that are yet to be read.
#include "cpu/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cpu/isa.h"
#include "cpu/plan.h"
#include "graph/geometry.h"
#include "pyengine/error.h"
#include "support/network.h"

namespace pyengine {
namespace {

Network Chain(BorderMode border) {
  Network net;
  int x = 0;
  for (int64_t channels : {32, 32, 32, 32}) x = net.Conv(x, channels, 3, border);
  net.Conv(x, 2, 1, border);
  return net;
}

Network UNet(BorderMode border) {
  Network net;
  const int skip = net.Conv(net.Conv(0, 32, 3, border), 32, 3, border);
  const int deep = net.Conv(net.Conv(net.Halve(skip), 64, 3, border), 64, 3, border);
  const int joined = net.Join(skip, net.Enlarge(deep, 32));
  net.Conv(net.Conv(net.Conv(joined, 32, 3, border), 32, 3, border), 2, 1, border);
  return net;
}

class Replay {
 public:
  explicit Replay(const Plan& plan) : plan_(plan), program_(*plan.program) {
    for (const Buffer& buffer : plan.buffers) held_.push_back({buffer.y0, buffer.y0});
    done_.assign(program_.ops.size(), 0);
  }

  void Run() {
    for (const Work& work : plan_.schedule) {
      for (const Roll& roll : work.rolls) Move(roll);
      const Op& op = program_.ops[work.op];
      EXPECT_EQ(work.y_begin, done_[work.op]) << "rows out of order";
      done_[work.op] = work.y_end;
      // What a convolution computes on its way was read then.
      if (plan_.ops[work.op].pooled_by < 0)
        for (int input = 0; input < 2; ++input) Read(op, input, work);
      Write(op, work);
    }
    for (size_t i = 0; i < done_.size(); ++i) EXPECT_EQ(done_[i], plan_.ops[i].height);
  }

 private:
  void Move(const Roll& roll) {
    Range& held = held_[roll.storage];
    held.begin += roll.by;
    EXPECT_EQ(roll.rows, std::max<int64_t>(0, held.size()));
  }

  void Read(const Op& op, int input, const Work& work) {
    const OpPlan& plan = plan_.ops[work.op];
    for (const BlockRef& ref : op.in[input]) {
      if (program_.storages[ref.storage].external) continue;
      const Buffer& buffer = plan_.buffers[ref.storage];
      const int64_t row = plan.in_at[input].y + ref.shift.y;
      const int64_t begin = row + op.step->FirstInputRow(plan, work.y_begin);
      const int64_t end = row + op.step->InputRowsEnd(plan, work.y_end);
      EXPECT_GE(std::max(begin, buffer.y0), held_[ref.storage].begin) << "gone";
      EXPECT_LE(std::min(end, buffer.y0 + buffer.rows), held_[ref.storage].end) << "not there yet";
    }
  }

  void Write(const Op& op, const Work& work) {
    const OpPlan& plan = plan_.ops[work.op];
    const int s = op.out[0].storage;
    if (program_.storages[s].external) return;
    const Buffer& buffer = plan_.buffers[s];
    held_[s].end = work.y_end == plan.height ? buffer.y0 + buffer.rows
                                             : plan.out_at.y + work.y_end * plan.out_step.y;
    EXPECT_LE(held_[s].size(), buffer.rows_held) << "no room";
  }

  const Plan& plan_;
  const Program& program_;
  std::vector<Range> held_;  // by storage, rows in memory
  std::vector<int64_t> done_;
};

class Schedule : public testing::TestWithParam<std::string> {};

TEST_P(Schedule, ReadsWhatWasWrittenAndIsStillHeld) {
  const KernelTable& kernels = SelectKernels(GetParam());
  ThreadPool pool(1);
  // Wide enough for planes that no last-level cache holds; only planned, never in memory.
  const int64_t width = 1024;
  const int64_t least = InterleavedBytes() / (width * 32 * int64_t(sizeof(float)));
  for (const BorderMode border : {BorderMode::kZero, BorderMode::kReflect})
    for (const Network& net : {Chain(border), UNet(border)})
      for (const int64_t height : {int64_t(16), 4 * least + 50})
        for (const int threads : {1, 2}) {
          PackedWeights packed(net.graph, net.weights, pool);
          const Program program = Lower(net.graph, true, false, kernels, packed);
          std::vector<Region> regions;
          for (const Extent& extent : Extents(net.graph, {.z = 1, .y = height, .x = width}))
            regions.push_back({{.z = {0, 1}, .y = {0, extent.size.y}, .x = {0, extent.size.x}}});
          const Plan plan = MakePlan(program, regions, threads);
          Replay(plan).Run();
          const bool rolls =
              std::any_of(plan.buffers.begin(), plan.buffers.end(),
                          [](const Buffer& buffer) { return buffer.rows_held < buffer.rows; });
          EXPECT_EQ(rolls, height > 16) << height;
        }
}

TEST(Lowering, RefusesMorePlanesThanFitIntoMemory) {
  ThreadPool pool(1);
  // Small files: a weight of 400 kB, and nodes that join what was joined before.
  Network phases, joins;
  phases.Scatter(phases.Conv(0, 100000, 1, BorderMode::kZero), 1, 64);
  int x = joins.Conv(0, 16, 1, BorderMode::kZero);
  const int one = x;
  for (int i = 0; i < 3000; ++i) x = joins.Join(x, one);
  for (const Network* net : {&phases, &joins}) {
    PackedWeights packed(net->graph, net->weights, pool);
    EXPECT_THROW(Lower(net->graph, false, false, SelectKernels("reference"), packed), Error);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Schedule, testing::ValuesIn(UsableIsas()),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace pyengine
