#include "core/json.h"

#include <gtest/gtest.h>

#include "pyengine/error.h"

namespace pyengine {
namespace {

Json Parse(const std::string& text) {
  return Json::Parse(text, "test");
}

TEST(Json, ReadsEveryKindOfValue) {
  const Json json =
      Parse(R"( {"a": [1, -2.5e3, true, false, null], "b": "x\n\u00e9\ud83d\ude00"} )");
  const auto& items = json.At("a").Items();
  EXPECT_EQ(items[0].Int(0, 10), 1);
  EXPECT_EQ(items[1].Number(), -2500);
  EXPECT_TRUE(items[2].Bool());
  EXPECT_FALSE(items[3].Bool());
  EXPECT_EQ(items[4].type(), Json::Type::kNull);
  EXPECT_EQ(json.At("b").String(), "x\n\xc3\xa9\xf0\x9f\x98\x80");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text :
       {"",        "{",          "}",        "[1,]",     "{\"a\" 1}",    "{a:1}",
        "nul",     "1 2",        "\"",       "\"\\x\"",  "\"\\ud800\"",  "{\"a\":1,\"a\":2}",
        "[1e999]", "--1",        "\"\x01\"", "\"\xff\"", "\"\xc0\xaf\"", "01x",
        "[NaN]",   "[Infinity]", "\"\\u12\""})
    EXPECT_THROW(Parse(text), Error) << text;
}

TEST(Json, RefusesDeepNestingInsteadOfOverflowingTheStack) {
  EXPECT_THROW(Parse(std::string(100000, '[')), Error);
  EXPECT_NO_THROW(Parse(std::string(60, '[') + std::string(60, ']')));
}

TEST(Json, ErrorsNameThePath) {
  const Json json = Parse(R"({"a": {"b": [1, "x"]}})");
  try {
    json.At("a").At("b").Items()[1].Number();
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "test.a.b[1]: must be a number");
    EXPECT_EQ(e.code(), ErrorCode::kBadEngineFile);
  }
  EXPECT_THROW(json.At("a").At("c"), Error);
  EXPECT_THROW(json.At("a").At("b").Items()[0].Int(2, 3), Error);
  EXPECT_THROW(Parse("[1.5]").Items()[0].Int(0, 3), Error);
}

}  // namespace
}  // namespace pyengine
