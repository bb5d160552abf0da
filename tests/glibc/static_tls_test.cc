// Libraries that are opened when thread blocks already exist.
#include "shim/glibc/static_tls.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/glibc/green.h"

namespace glibc = unblock::glibc;

namespace {

class Library {
 public:
  explicit Library(const char* path) {
    glibc::StaticTlsWindow window;
    handle_ = dlopen(path, RTLD_NOW);
    EXPECT_NE(handle_, nullptr) << dlerror();
  }
  ~Library() { dlclose(handle_); }

  // The calling thread's variable.
  int& variable(const char* name) {
    const std::string function = std::string(name) + "_address";
    return *reinterpret_cast<int* (*)()>(dlsym(handle_, function.c_str()))();
  }

 private:
  void* handle_;
};

void expect_initial_values(Library& library) {
  EXPECT_EQ(library.variable("answer"), 42);
  EXPECT_EQ(library.variable("nothing"), 0);
  EXPECT_EQ(library.variable("written_by_constructor"), 7);
}

}  // namespace

TEST(StaticTls, ReachesBlocksOfEveryAge) {
  std::unique_ptr<Library> library;
  auto look = [&]() -> void* {
    Green::leave();
    expect_initial_values(*library);
    library->variable("answer") = 1;
    Green::leave();
    EXPECT_EQ(library->variable("answer"), 1);
    return nullptr;
  };
  Green older(look), other(look);
  older.resume();
  other.resume();
  library = std::make_unique<Library>(FIRST_LIBRARY);
  EXPECT_EQ(library->variable("answer"), 42);
  EXPECT_EQ(library->variable("written_by_constructor"), 8);
  older.resume();
  other.resume();
  Green younger([&]() -> void* {
    expect_initial_values(*library);
    return nullptr;
  });
  younger.finish();
  older.finish();
  other.finish();
}

TEST(StaticTls, KeepsWhatConstructorsWroteInTheOpeningThread) {
  std::unique_ptr<Library> library;
  Green opener([&]() -> void* {
    library = std::make_unique<Library>(FIRST_LIBRARY);
    EXPECT_EQ(library->variable("answer"), 42);
    EXPECT_EQ(library->variable("written_by_constructor"), 8);
    return nullptr;
  });
  opener.finish();
}

TEST(StaticTls, LeavesLibrariesAloneThatWereThereBefore) {
  Library first(FIRST_LIBRARY);
  Green green([&]() -> void* {
    first.variable("answer") = 5;
    Green::leave();
    EXPECT_EQ(first.variable("answer"), 5);
    return nullptr;
  });
  green.resume();
  Library second(SECOND_LIBRARY);
  green.finish();
  on_green([&] { expect_initial_values(second); });
}

TEST(StaticTls, AReopenedLibraryBeginsAfresh) {
  auto library = std::make_unique<Library>(FIRST_LIBRARY);
  Green green([&]() -> void* {
    library->variable("answer") = 5;
    library->variable("nothing") = 6;
    Green::leave();
    expect_initial_values(*library);
    return nullptr;
  });
  green.resume();
  library.reset();
  library = std::make_unique<Library>(FIRST_LIBRARY);
  green.finish();
}

TEST(StaticTls, LeavesABlockAloneThatIsYoungerThanTheLibrary) {
  auto window = std::make_unique<glibc::StaticTlsWindow>();
  Library library(FIRST_LIBRARY);
  Green made_by_a_constructor([&]() -> void* {
    expect_initial_values(library);
    library.variable("answer") = 9;
    Green::leave();
    EXPECT_EQ(library.variable("answer"), 9);
    return nullptr;
  });
  made_by_a_constructor.resume();
  window.reset();
  made_by_a_constructor.finish();
}

TEST(StaticTls, WindowsOfOneThreadNest) {
  std::unique_ptr<Library> library;
  Green older([&]() -> void* {
    Green::leave();
    expect_initial_values(*library);
    return nullptr;
  });
  older.resume();
  on_green([&] {
    glibc::StaticTlsWindow outer;
    library = std::make_unique<Library>(FIRST_LIBRARY);
  });
  older.finish();
}

TEST(StaticTls, RecordsOfEndedBlocksAreGone) {
  // Blocks in memory that is unmapped afterwards: a window that still knew them would crash.
  for (int i = 0; i < 10; i++) on_green([] {});
  Library library(FIRST_LIBRARY);
}
