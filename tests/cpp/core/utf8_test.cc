#include "core/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace pyengine {
namespace {

bool Valid(const std::string& text) {
  return FindInvalidUtf8(text.data(), text.data() + text.size()) == text.data() + text.size();
}

TEST(Utf8, EveryCharacterIsWrittenSoThatItIsRead) {
  for (unsigned code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text;
    AppendUtf8(text, code);
    ASSERT_TRUE(Valid(text)) << code;
    ASSERT_EQ(text.size(), code < 0x80 ? 1u : code < 0x800 ? 2u : code < 0x10000 ? 3u : 4u);
    ASSERT_FALSE(text.size() > 1 && Valid(text.substr(1))) << code;
  }
  std::string text;
  for (unsigned code : {0x78u, 0xE9u, 0x20ACu, 0x1F600u}) AppendUtf8(text, code);
  EXPECT_EQ(text, "x\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST(Utf8, NamesTheFirstByteThatIsNone) {
  for (const char* bad : {"\xFF", "\x80", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xC3",
                          "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xE2\x82"}) {
    const std::string text = std::string("ab").append(bad);
    EXPECT_EQ(FindInvalidUtf8(text.data(), text.data() + text.size()), text.data() + 2);
  }
}

}  // namespace
}  // namespace pyengine
