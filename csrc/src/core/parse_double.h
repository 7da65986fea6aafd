// Numbers in text, whatever the program's locale.
#pragma once

#include <string_view>

namespace pyengine {

// `text` is a decimal number and nothing else, as JSON writes it. False where no finite double is
// near it.
bool ParseDouble(std::string_view text, double& value);

}  // namespace pyengine
