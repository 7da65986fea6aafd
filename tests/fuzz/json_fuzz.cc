// The reader of JSON: any bytes are a document or one error, and no document is read wrongly.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/json.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// Visits every value by the accessors that its type has; the others must throw.
size_t Visit(const Json& json) {
  size_t values = 1;
  switch (json.type()) {
    case Json::Type::kNull:
      break;
    case Json::Type::kBool:
      (void)json.Bool();
      break;
    case Json::Type::kNumber:
      if (!std::isfinite(json.Number())) std::abort();
      break;
    case Json::Type::kString:
      (void)json.String();
      break;
    case Json::Type::kArray:
      for (const Json& item : json.Items()) values += Visit(item);
      break;
    case Json::Type::kObject:
      for (const auto& [key, value] : json.Members()) {
        if (!json.Has(key) || &json.At(key) != &value) std::abort();
        values += Visit(value);
      }
      break;
  }
  try {
    (void)(json.type() == Json::Type::kString ? json.Bool() : json.String().empty());
    std::abort();
  } catch (const Error&) {
  }
  return values;
}

}  // namespace
}  // namespace pyengine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pyengine::Json;
  try {
    const Json json = Json::Parse(reinterpret_cast<const char*>(data), size, "fuzz");
    if (pyengine::Visit(json) > Json::kMaxValues) std::abort();
  } catch (const pyengine::Error&) {
  }
  return 0;
}
