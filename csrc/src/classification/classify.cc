#include "classification/classify.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "preprocessing/read_row.h"
#include "preprocessing/survey.h"
#include "pyengine/error.h"

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

void NormaliseImage(const CheckedImage& image, const Preprocessing& preprocessing, ThreadPool& pool,
                    float* planes) {
  const ImageView view = WholeView(image);
  const Normalisation normalisation = NormalisationFor(preprocessing, view, pool);
  for (int64_t c = 0; c < view.channels; ++c)
    for (int64_t y = 0; y < view.height; ++y, planes += view.width)
      ReadRow(view, c, y, normalisation, planes);
}

Classification ClassifyImage(const Classifier& classifier, const CheckedImage& image,
                             ThreadPool& pool, const Logits& network) {
  const ImageView view = WholeView(image);
  const PlaneSize from{.height = view.height, .width = view.width}, to = classifier.input_size;
  const auto channels = static_cast<size_t>(view.channels);
  const Normalisation as_it_is{.gain = std::vector<float>(channels, 1.0F),
                               .offset = std::vector<float>(channels, 0.0F)};
  std::vector<float> mixed;
  mixed.reserve(channels * static_cast<size_t>(to.height * to.width));
  for (int64_t c = 0; c < view.channels; ++c) {
    std::vector<float> plane(static_cast<size_t>(from.height * from.width));
    for (int64_t y = 0; y < from.height; ++y)
      ReadRow(view, c, y, as_it_is, plane.data() + y * from.width);
    const std::vector<float> resized = ResizePlane(std::move(plane), from, to);
    mixed.insert(mixed.end(), resized.begin(), resized.end());
  }
  std::vector<float> input(mixed.size());
  const CheckedImage resized(PlanarView(mixed.data(), view.channels, to.height, to.width),
                             view.channels, pool);
  NormaliseImage(resized, classifier.preprocessing, pool, input.data());
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
