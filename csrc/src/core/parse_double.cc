#include "core/parse_double.h"

#include <charconv>
#include <cmath>
#include <locale>
#include <sstream>
#include <string>

namespace pyengine {

bool ParseDouble(std::string_view text, double& value) {
#if defined(__cpp_lib_to_chars)
  const bool parsed =
      std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
#else  // LLVM's library before version 20
  std::istringstream stream{std::string(text)};
  stream.imbue(std::locale::classic());
  const bool parsed = static_cast<bool>(stream >> value);
#endif
  return parsed && std::isfinite(value);
}

}  // namespace pyengine
