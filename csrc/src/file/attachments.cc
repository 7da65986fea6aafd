#include "file/attachments.h"

#include "pyengine/error.h"

namespace pyengine {

const std::string& Attachments::Bytes(const std::string& name) const {
  const auto found = bytes_.find(name);
  if (found == bytes_.end())
    throw Error(ErrorCode::kInternal, "attachment '" + name + "' was not read");
  return found->second;
}

}  // namespace pyengine
