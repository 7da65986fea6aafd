#include "core/lender.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace pyengine {
namespace {

TEST(Lender, LendsAgainWhatWasGivenBack) {
  Lender<std::string> lender;
  const std::string* first = nullptr;
  {
    auto lease = lender.Borrow("made");
    EXPECT_EQ(*lease, "made");
    *lease = "changed";
    first = &*lease;
    EXPECT_NE(&*lender.Borrow("another"), first);
  }
  lender.Borrow("whatever");
  auto lease = lender.BorrowLike([](const std::string& s) { return s == "changed"; }, "new");
  EXPECT_EQ(&*lease, first);
}

TEST(Lender, AnExceptionGivesBackToo) {
  Lender<int> lender;
  const int* first = nullptr;
  try {
    auto lease = lender.Borrow(1);
    first = &*lease;
    throw std::runtime_error("x");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(&*lender.Borrow(2), first);
  }
}

TEST(Lender, PrefersWhatFitsElseWhatWasUsedLast) {
  Lender<int> lender;
  {
    auto a = lender.Borrow(1);
    auto b = lender.Borrow(2);
    auto c = lender.Borrow(3);
  }  // c is given back first, a last
  EXPECT_EQ(*lender.BorrowLike([](int i) { return i == 3; }, 9), 3);
  EXPECT_EQ(*lender.Borrow(9), 3);
  auto used_last = lender.BorrowLike([](int i) { return i == 7; }, 9);
  EXPECT_EQ(*used_last, 3);
}

TEST(Lender, KeepsNoMoreThanItMay) {
  static int alive = 0;
  struct Counted {
    Counted() { ++alive; }
    ~Counted() { --alive; }
  };
  Lender<Counted> lender(2);
  {
    auto a = lender.Borrow();
    auto b = lender.Borrow();
    auto c = lender.Borrow();
    EXPECT_EQ(alive, 3);
  }
  EXPECT_EQ(alive, 2);
}

}  // namespace
}  // namespace pyengine
