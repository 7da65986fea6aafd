#include "core/json.h"

#include <gtest/gtest.h>

#include <utility>

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
       {"",        "{",          "}",         "[1,]",     "{\"a\" 1}",    "{a:1}",
        "nul",     "1 2",        "\"",        "\"\\x\"",  "\"\\ud800\"",  "{\"a\":1,\"a\":2}",
        "[1e999]", "--1",        "\"\x01\"",  "\"\xff\"", "\"\xc0\xaf\"", "01x",
        "[NaN]",   "[Infinity]", "\"\\u12\"", "1",        "\"a\""})
    EXPECT_THROW(Parse(text), Error) << text;
}

TEST(Json, NumbersAreWrittenAsJsonWritesThem) {
  for (const char* number : {"00", "01", "-01", "1.", ".5", "-.5", "+1", "1e", "1e+", "1.e3", "0x1",
                             "1.2.3", "1-2", "-", "1e5e5", "1_0"})
    EXPECT_THROW(Parse(std::string("[").append(number).append("]")), Error) << number;
  const Json json = Parse("[0, -0, 0.5, -1.25e-2, 1E+3, 10]");
  EXPECT_EQ(json.Items()[3].Number(), -0.0125);
  EXPECT_EQ(json.Items()[4].Number(), 1000);
}

TEST(Json, RefusesMoreValuesThanItKeepsRoomFor) {
  std::string text = "[0";
  text.reserve(2 * Json::kMaxValues + 2);
  for (size_t i = 2; i < Json::kMaxValues; ++i) text += ",0";
  EXPECT_NO_THROW(Parse(text + "]"));
  EXPECT_THROW(Parse(text + ",0]"), Error);
}

TEST(Json, RefusesDeepNestingInsteadOfOverflowingTheStack) {
  EXPECT_THROW(Parse(std::string(100000, '[')), Error);
  EXPECT_NO_THROW(Parse(std::string(60, '[') + std::string(60, ']')));
}

TEST(Json, ErrorsNameThePath) {
  Json json = Parse(R"({"a": {"b": [1, "x"]}})");
  try {
    json.At("a").At("b").Items()[1].Number();
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "test.a.b[1]: must be a number");
    EXPECT_EQ(e.code(), ErrorCode::kBadEngineFile);
  }
  const Json moved = std::move(json);
  try {
    moved.At("a").At("c");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "test.a: field 'c' is missing");
  }
  try {
    moved.At("z");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "test: field 'z' is missing");
  }
  EXPECT_THROW(moved.At("a").At("b").Items()[0].Int(2, 3), Error);
  EXPECT_THROW(Parse("[1.5]").Items()[0].Int(0, 3), Error);
}

}  // namespace
}  // namespace pyengine
