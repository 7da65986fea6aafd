// What the facade keeps behind ImageStatistics.
#pragma once

#include <memory>
#include <utility>

#include "core/thread_pool.h"
#include "preprocessing/survey.h"
#include "pyengine/image_statistics.h"

namespace pyengine {

struct ImageStatistics::Impl {
  Impl(Preprocessing steps, int64_t image_height, std::shared_ptr<ThreadPool> threads)
      : preprocessing(std::move(steps)),
        height(image_height),
        pool(std::move(threads)),
        survey(preprocessing, height, *pool) {}

  const Preprocessing preprocessing;
  const int64_t height;
  const std::shared_ptr<ThreadPool> pool;
  Survey survey;
};

}  // namespace pyengine
