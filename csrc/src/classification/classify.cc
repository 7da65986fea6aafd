#include "classification/classify.h"

#include <algorithm>
#include <string>
#include <vector>

#include "pyengine/error.h"
#include "tiling/mirror_pad.h"

namespace pyengine {
namespace {

// The view with its rows counted.
ImageView WholeView(const ImageView& image) {
  ImageView whole = image;
  if (whole.rows == 0) whole.rows = image.height;
  if (whole.first_row != 0 || whole.rows != image.height)
    throw Error(ErrorCode::kInvalidArgument,
                "the view holds " + std::to_string(whole.rows) + " of the image's " +
                    std::to_string(image.height) + " rows; all are needed");
  return whole;
}

}  // namespace

void NormaliseImage(const ImageView& image, const Normalisation& normalisation, float* planes) {
  const ImageView whole = WholeView(image);
  RefuseNonFinite(whole);
  for (int64_t c = 0; c < whole.channels; ++c)
    for (int64_t y = 0; y < whole.height; ++y, planes += whole.width)
      GatherRow(whole, PaddingMode::kReflect, c, y, 0, whole.width, normalisation.gain[c],
                normalisation.offset[c], planes);
}

Classification ClassifyImage(const Classifier& classifier, const ImageView& image,
                             const Logits& network) {
  const PlaneSize from{image.height, image.width}, to = classifier.input_size;
  const int64_t from_px = from.height * from.width, to_px = to.height * to.width;
  const auto channels = static_cast<size_t>(image.channels);
  // Pixels are mixed before they are normalised, as at training.
  std::vector<float> pixels(channels * static_cast<size_t>(from_px));
  NormaliseImage(image, {std::vector(channels, 1.0F), std::vector(channels, 0.0F)}, pixels.data());
  std::vector<float> input(channels * static_cast<size_t>(to_px));
  for (size_t c = 0; c < channels; ++c) {
    float* plane = input.data() + c * static_cast<size_t>(to_px);
    ResizePlane(pixels.data() + c * static_cast<size_t>(from_px), from, plane, to);
    const float gain = classifier.normalisation.gain[c], offset = classifier.normalisation.offset[c];
    for (int64_t i = 0; i < to_px; ++i) plane[i] = plane[i] * gain + offset;
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
