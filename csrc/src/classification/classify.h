// The class of a whole image: pixels to the network's input, and its logits to probabilities.
#pragma once

#include <functional>

#include "classification/resize.h"
#include "graph/head.h"
#include "graph/normalisation.h"
#include "pyengine/engine.h"
#include "pyengine/image_view.h"

namespace pyengine {

// Pixels as the network takes them, (channels, height, width), dense.
// Throws Error(kInvalidArgument) if the image holds NaN or infinity.
void NormaliseImage(const ImageView& image, const Normalisation& normalisation, float* planes);

// What a classifier is, but for its network.
struct Classifier {
  PlaneSize input_size;
  const Normalisation& normalisation;
  Head head = Head::kNone;
  int64_t outputs = 1;  // logits of one image
};

// From a (1, channels, height, width) input of the classifier's size to its logits.
using Logits = std::function<void(const float* input, float* logits)>;

// The image was checked against the network (CheckImage).
Classification ClassifyImage(const Classifier& classifier, const ImageView& image,
                             const Logits& network);

}  // namespace pyengine
