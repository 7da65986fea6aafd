#include "classification/classify.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "pyengine/error.h"
#include "tiling/gather.h"

namespace pyengine {
namespace {

ImageView WholeView(const CheckedImage& image) {
  const ImageView& view = image.view();
  if (!image.whole())
    throw Error(ErrorCode::kInvalidArgument, "the view holds " + std::to_string(view.rows) +
                                                 " of the image's " + std::to_string(view.height) +
                                                 " rows; all are needed");
  return view;
}

}  // namespace

void NormaliseImage(const CheckedImage& image, const Normalisation& normalisation, float* planes) {
  const ImageView view = WholeView(image);
  for (int64_t c = 0; c < view.channels; ++c)
    for (int64_t y = 0; y < view.height; ++y, planes += view.width)
      GatherRow(view, PaddingMode::kReflect, c, y, 0, view.width, normalisation.gain[c],
                normalisation.offset[c], planes);
}

Classification ClassifyImage(const Classifier& classifier, const CheckedImage& image,
                             const Logits& network) {
  const ImageView view = WholeView(image);
  const PlaneSize from{.height = view.height, .width = view.width}, to = classifier.input_size;
  std::vector<float> input;
  input.reserve(static_cast<size_t>(view.channels * to.height * to.width));
  for (int64_t c = 0; c < view.channels; ++c) {
    // Pixels are mixed before they are normalised, as at training.
    std::vector<float> plane(static_cast<size_t>(from.height * from.width));
    for (int64_t y = 0; y < from.height; ++y)
      GatherRow(view, PaddingMode::kReflect, c, y, 0, from.width, 1.0F, 0.0F,
                plane.data() + y * from.width);
    const float gain = classifier.normalisation.gain[c],
                offset = classifier.normalisation.offset[c];
    for (const float value : ResizePlane(std::move(plane), from, to))
      input.push_back(value * gain + offset);
  }
  Classification result;
  std::vector<float>& p = result.probabilities;
  p.resize(static_cast<size_t>(classifier.outputs));
  network(input.data(), p.data());
  ApplyHeadToPixel(p.data(), 1, classifier.outputs, classifier.head);
  // One sigmoid output tells two classes apart.
  if (classifier.outputs == 1 && classifier.head == Head::kSigmoid) p.insert(p.begin(), 1 - p[0]);
  result.index = std::max_element(p.begin(), p.end()) - p.begin();
  return result;
}

}  // namespace pyengine
