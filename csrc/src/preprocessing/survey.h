// What preprocessing must know of a whole image, gathered from its rows.
//
// Sums are doubles, of each row by itself and then of the rows in their order; counts are whole
// numbers. What is found depends neither on threads nor on the bands in which rows come.
#pragma once

#include <cstdint>
#include <memory>

#include "core/thread_pool.h"
#include "preprocessing/preprocessing.h"
#include "pyengine/image_view.h"

namespace pyengine {

class Survey {
 public:
  // Of an image of `height` rows. `preprocessing` and `pool` outlive it.
  Survey(const Preprocessing& preprocessing, int64_t height, ThreadPool& pool);
  ~Survey();
  Survey(Survey&&) noexcept;

  // Whether the image has to be seen (again), from its first row to its last. Images of integers
  // are seen once, of floats once or more for each step that depends on them.
  bool needs_image() const;

  // The next rows. Throws Error(kInvalidArgument) unless they follow the rows seen before, or are
  // the first ones, and have the same type.
  void See(const ImageView& rows);

  // All steps with their numbers. Throws Error(kInvalidArgument) while the image has to be seen.
  const Normalisation& result() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

// The steps with their numbers for an image that is there as a whole.
Normalisation NormalisationFor(const Preprocessing& preprocessing, const ImageView& image,
                               ThreadPool& pool);

}  // namespace pyengine
