// The value of LD_PRELOAD.

#include "tools/preload.h"

#include <gtest/gtest.h>

namespace {

using unblock::tools::preload_list;

constexpr char ours[] = "/lib/libunblock.so.0";

TEST(Preload, IsOurLibraryAlone) { EXPECT_EQ(preload_list("", ours, {"libc.so.6"}), ours); }

TEST(Preload, KeepsWhatIsThereBehindOurs) {
  EXPECT_EQ(preload_list("/a.so:/b.so", ours, {}), "/lib/libunblock.so.0:/a.so:/b.so");
  EXPECT_EQ(preload_list("/a.so /b.so", ours, {}), "/lib/libunblock.so.0:/a.so:/b.so") << "blanks separate as well";
}

TEST(Preload, StaysAsItIsWhenOursIsThere) {
  EXPECT_EQ(preload_list("/a.so /lib/libunblock.so.0", ours, {}), "/a.so /lib/libunblock.so.0");
}

TEST(Preload, GoesBehindSanitizers) {
  EXPECT_EQ(preload_list("/x/libasan.so.8:/a.so", ours, {}), "/x/libasan.so.8:/lib/libunblock.so.0:/a.so");
  EXPECT_EQ(preload_list("/a.so:libtsan.so.2:/b.so", ours, {}), "/a.so:libtsan.so.2:/lib/libunblock.so.0:/b.so");
}

TEST(Preload, PutsSanitizersFirstThatWillBeLoadedAnyway) {
  EXPECT_EQ(preload_list("/a.so", ours, {"libasan.so.8", "libc.so.6"}), "libasan.so.8:/lib/libunblock.so.0:/a.so");
  EXPECT_EQ(preload_list("/x/libasan.so.8", ours, {"libasan.so.8"}), "/x/libasan.so.8:/lib/libunblock.so.0");
}

}  // namespace
