#include "core/recent.h"

#include <gtest/gtest.h>

#include <memory>

namespace pyengine {
namespace {

TEST(Recent, GivesUpWhatWasNotUsedForLongest) {
  Recent<int, int> recent(2);
  EXPECT_EQ(recent.Find(1), nullptr);
  recent.Add(1, 10);
  recent.Add(2, 20);
  const int* one = recent.Find(1);  // now 2 is the older one
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(*one, 10);
  recent.Add(3, 30);
  EXPECT_EQ(recent.Find(2), nullptr);
  EXPECT_EQ(recent.Find(1), one);
  EXPECT_EQ(*recent.Find(3), 30);
}

TEST(Recent, HoldsWhatCannotBeCopied) {
  Recent<int, std::unique_ptr<int>> recent(1);
  recent.Add(1, std::make_unique<int>(5));
  EXPECT_EQ(**recent.Find(1), 5);
  recent.Add(2, nullptr);
  EXPECT_EQ(recent.Find(1), nullptr);
  EXPECT_EQ(*recent.Find(2), nullptr);
}

}  // namespace
}  // namespace pyengine
