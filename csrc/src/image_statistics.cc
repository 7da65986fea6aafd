#include "image_statistics.h"

#include <string>
#include <utility>

#include "core/platform/float_environment.h"
#include "pyengine/error.h"
#include "tiling/checked_image.h"
#include "tiling/plain_pixels.h"

namespace pyengine {

ImageStatistics::ImageStatistics(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ImageStatistics::ImageStatistics(ImageStatistics&&) noexcept = default;
ImageStatistics& ImageStatistics::operator=(ImageStatistics&&) noexcept = default;
ImageStatistics::~ImageStatistics() = default;

bool ImageStatistics::NeedsImage() const noexcept {
  return impl_->survey.needs_image();
}

void ImageStatistics::See(const ImageView& rows) {
  const DefaultFloatEnvironment floats;
  if (rows.height != impl_->height)
    throw Error(ErrorCode::kInvalidArgument, "the image has " + std::to_string(rows.height) +
                                                 " rows, its statistics were begun for " +
                                                 std::to_string(impl_->height));
  const auto channels = static_cast<int64_t>(impl_->preprocessing.first.gain.size());
  PlainPixels::Buffers buffers;
  const PlainPixels plain(rows, channels, {}, *impl_->pool, buffers);
  const CheckedImage image(plain.view(), channels, *impl_->pool);
  impl_->survey.See(image.view());
}

}  // namespace pyengine
