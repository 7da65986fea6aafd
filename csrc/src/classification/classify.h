// The class of a whole image: pixels to the network's input, and its logits to probabilities.
#pragma once

#include <functional>

#include "classification/resize.h"
#include "graph/head.h"
#include "preprocessing/preprocessing.h"
#include "pyengine/classification.h"
#include "tiling/checked_image.h"

namespace pyengine {

// Pixels as the network takes them, (channels, height, width), dense.
// Throws Error(kInvalidArgument) unless the whole image is there; likewise below.
void NormaliseImage(const CheckedImage& image, const Preprocessing& preprocessing, ThreadPool& pool,
                    float* planes);

// What a classifier is, but for its network.
struct Classifier {
  PlaneSize input_size;
  const Preprocessing& preprocessing;
  Head head = Head::kNone;
  int64_t outputs = 1;  // logits of one image
};

// From a (1, channels, height, width) input of the classifier's size to its logits.
using Logits = std::function<void(const float* input, float* logits)>;

// Pixels are mixed before they are normalised, as at training: what preprocessing must know of the
// image, it learns from the mixed ones.
Classification ClassifyImage(const Classifier& classifier, const CheckedImage& image,
                             ThreadPool& pool, const Logits& network);

}  // namespace pyengine
