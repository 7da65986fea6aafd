// How the CPU does one operation: everything that depends on the algorithm, from the rows that it
// reads to the kernel that it calls. Each algorithm is a class of its own in a file of this folder.
//
// A step is fixed when the network is lowered. What it needs for one size lies in the operation's
// OpPlan, what it needs for one call in the StepRun.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "cpu/kernels/kernels.h"
#include "graph/geometry.h"

namespace pyengine {

struct Op;
struct OpPlan;
struct StepRun;
struct Work;

// ---- what a step needs for one size, beside the common head of OpPlan

// Of one axis, counted from tap 0 of output 0: taps that exist, and those that a mean counts where
// padding counts.
struct WindowPart {
  PerAxis<Range> valid, padded;
};

// Two taps per axis, and the weight of the second; no weights: the first tap alone. Which slices
// are read is a matter of SliceTaps.
struct ResizePart {
  std::vector<int64_t> y_index, y_next, x_index, x_next;
  std::vector<float> z_weight, y_weight, x_weight;
};

// Of one axis: outputs times `taps` entries.
struct ResampleAxis {
  int64_t taps = 1;
  std::vector<int64_t> index;
  std::vector<float> weight;
};
struct ResamplePart {
  PerAxis<ResampleAxis> axis;
};

// Output 0 is tap `at` of window 0; `windows` exist.
struct UnpoolPart {
  Axes at, windows;
};

// Size of the whole input, whose slices are all pointed at.
struct WholePlanePart {
  Axes size;
};

struct WinogradPart {
  int64_t patch_rows = 0, patch_columns = 0;  // rows of patches per slice, patches per row
  int pools = -1;                             // the pooling that is fused into it, or -1
  Axes pool_at = {};                          // the first window, in this operation's outputs
};

using StepPart = std::variant<std::monostate, WindowPart, ResizePart, ResamplePart, UnpoolPart,
                              WholePlanePart, WinogradPart>;

// The input slices that each output slice reads, in tensor indices: `count` for each, one after the
// other. Those of the image that do not exist are padding, or never read.
struct SliceTaps {
  int64_t count = 1;
  std::vector<int64_t> index;  // empty: output slice i reads the i-th from Placing::in_at on
  bool outermost = false;      // an operation's planes are all of one tap, then all of the next

  // The first slice, and one past the last, counted from `at`, that output slices from `z` on and
  // before `z_end` read.
  int64_t First(int64_t at, int64_t z) const {
    return index.empty() ? z : index[static_cast<size_t>(z * count)] - at;
  }
  int64_t End(int64_t at, int64_t z_end) const {
    return index.empty() ? z_end : index[static_cast<size_t>(z_end * count - 1)] - at + 1;
  }
};

// Where an operation's planes begin, in tensor indices, and how much it computes.
struct Placing {
  Axes in_at, out_at;
  Axes size;              // outputs (of one phase)
  Axes out_step = kOnes;  // of slices and rows
  SliceTaps slices = {};
  StepPart part = {};
};

// How the resolution of an operation's output differs from its input's.
enum class Resolution { kSame, kSmaller, kLarger };

class Step {
 public:
  Step() = default;
  virtual ~Step();
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  // As profiles call it: "winograd", "direct".
  virtual const char* algorithm() const = 0;

  // ---- rows

  // Whether rows of the output depend on nearby rows of the input alone. Where they do, operations
  // are interleaved by bands, and the two functions below say which rows are read.
  virtual bool by_rows() const = 0;
  // First row, and one past the last, counted from the input planes' row 0, that outputs from `y`
  // on and before `y_end` read.
  virtual int64_t FirstInputRow(const OpPlan& plan, int64_t y) const = 0;
  virtual int64_t InputRowsEnd(const OpPlan& plan, int64_t y_end) const = 0;
  virtual Resolution resolution() const = 0;
  // Whether some rows can be computed at a time, though all of the input must be there.
  virtual bool in_bands() const { return by_rows(); }
  // Outputs per side of a slice that are computed, and round, together.
  virtual int64_t patch_px() const { return 1; }
  // Input slices that one output slice reads, at most, where that does not follow from the size.
  virtual int64_t slice_taps() const { return 1; }

  // ---- sizes and shares

  // `out` and `in`: the regions of the output and of the first input.
  virtual Placing Place(const Region& out, const Region& in) const = 0;
  // How `threads` threads share `work`. The default deals out blocks one by one, and rows.
  virtual void Share(const Op& op, const OpPlan& plan, int threads, Work& work) const;
  // Memory that each of `threads` threads needs beside the planes [floats].
  virtual int64_t ScratchFloats(const Op& op, const OpPlan& plan, const Work& work,
                                int threads) const;

  // ---- computing

  virtual void Run(const StepRun& run) const = 0;

  // ---- what it costs

  // Multiply-adds per output pixel (of all phases), which is also how many weights are read.
  virtual double MultiplyAdds(const Op& /*op*/) const { return 0; }
  // Input pixels that are read, seen from the outputs' side: a stride of 2 reads four per output.
  virtual double InputsPerOutput() const { return 1; }
  // Outputs written per output pixel, and the share of the region's pixels that are such outputs:
  // phases of a transposed convolution.
  virtual int64_t phases() const { return 1; }
  virtual double RegionShare() const { return 1; }
  // Estimated time, in operations at the machine's peak rate. See op_cost.cc.
  virtual double Cost(double flops, double bytes) const;

  // ---- what can be fused into it

  // Takes up an activation that follows.
  virtual bool CanFuse(const ActivationArgs& /*activation*/) const { return false; }
  virtual void Fuse(const ActivationArgs& /*activation*/) {}
  // Writes the caller's planes instead of blocks; false if it cannot.
  virtual bool WritePlanes(const Op& /*op*/, const KernelTable& /*kernels*/) { return false; }
  // Maxima of 2x2, which a step that computes patches can take of its own outputs.
  virtual bool is_maximum_of_2x2() const { return false; }
  virtual bool can_take_maxima() const { return false; }
};

// ---- what several steps share

// Several pieces per thread, so that a thread that the system holds up does not stall the rest.
int64_t WantedPieces(int threads);
// Row pieces of `work`: as wanted, but no more than rows.
void SetRowPieces(int64_t wanted, Work& work);

// Steps of this base that take up an activation that follows.
template <class Base>
class WithActivation : public Base {
 public:
  bool CanFuse(const ActivationArgs& /*activation*/) const override {
    return activation_.kind == Activation::kNone;
  }
  void Fuse(const ActivationArgs& activation) override { activation_ = activation; }

 protected:
  explicit WithActivation(const ActivationArgs& activation = {}) : activation_(activation) {}
  const ActivationArgs& activation() const { return activation_; }

 private:
  ActivationArgs activation_;
};

// Output and input begin at the same indices: where most steps begin, or are.
Placing PlaceAlike(const Region& out);

// Shares of kernels that sum over input planes, `taps` weights each.
void ShareConv(const Op& op, int64_t taps, int threads, Work& work);

// Steps whose row y reads row y of their inputs.
class RowByRow : public Step {
 public:
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& /*plan*/, int64_t y) const override { return y; }
  int64_t InputRowsEnd(const OpPlan& /*plan*/, int64_t y_end) const override { return y_end; }
  Resolution resolution() const override { return Resolution::kSame; }
  Placing Place(const Region& out, const Region& in) const override;
};

// Steps that need the whole input before they begin.
class WholePlane : public Step {
 public:
  bool by_rows() const override { return false; }
  int64_t FirstInputRow(const OpPlan& plan, int64_t y) const override;
  int64_t InputRowsEnd(const OpPlan& plan, int64_t y_end) const override;
  Resolution resolution() const override { return Resolution::kSame; }
  Placing Place(const Region& out, const Region& in) const override;
};

// Kernel, stride and dilation of windows.
struct WindowShape {
  Axes kernel = kOnes, stride = kOnes, dilation = kOnes;

  int64_t taps() const { return Product(kernel); }
  // Inputs per output.
  int64_t stride_pixels() const { return Product(stride); }
  Resolution resolution() const { return stride.y > 1 ? Resolution::kSmaller : Resolution::kSame; }
  int64_t InputRowsEnd(int64_t y_end) const {
    return (y_end - 1) * stride.y + (kernel.y - 1) * dilation.y + 1;
  }
};
WindowShape WindowOf(const Node& node);
// The slices under windows, the first of which begins at slice `at`.
SliceTaps SlicesUnder(const WindowShape& window, int64_t at, int64_t count);
// Pooling windows on an image with this padding.
Placing PlaceWindows(const WindowShape& window, const Amounts& padding, const Region& out,
                     const Region& in);
// Padding is not counted.
PoolAxis AxisOf(const WindowShape& window, const WindowPart& part, Axis axis);

}  // namespace pyengine
