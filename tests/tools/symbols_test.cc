// Names of symbols, as they are shown.

#include "tools/view/symbols.h"

#include <gtest/gtest.h>

namespace {

using unblock::tools::view::demangled;

TEST(Symbols, OfCppAreTurnedIntoWords) {
  EXPECT_EQ(demangled("_Z3fooi"), "foo(int)");
  EXPECT_EQ(demangled("_ZN3bar3bazEv"), "bar::baz()");
}

TEST(Symbols, OfCKeepTheirNamesEvenIfTypesOfCppAreSpeltSo) {
  EXPECT_EQ(demangled("w"), "w");
  EXPECT_EQ(demangled("Pc"), "Pc");
  EXPECT_EQ(demangled("main"), "main");
}

TEST(Symbols, LoseTheVersionOfLibcsNames) { EXPECT_EQ(demangled("pause@@GLIBC_2.2.5"), "pause"); }

}  // namespace
