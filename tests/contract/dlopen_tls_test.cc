// Libraries with thread-local data that are opened while threads live.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <vector>

#include "threads.h"

namespace {

// Built twice: there are two calls for it.
void* open_library(const char* path) {
#ifdef BY_DLMOPEN
  return dlmopen(LM_ID_BASE, path, RTLD_NOW);
#else
  return dlopen(path, RTLD_NOW);
#endif
}

class TlsModule : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Models, TlsModule, testing::Values(TLS_GENERAL_DYNAMIC, TLS_INITIAL_EXEC),
                         [](auto& path) { return path.index == 0 ? "general_dynamic" : "initial_exec"; });

struct Functions {
  explicit Functions(void* library)
      : number(reinterpret_cast<int* (*)()>(dlsym(library, "tls_number"))),
        is_fresh(reinterpret_cast<bool (*)()>(dlsym(library, "tls_is_fresh"))),
        use(reinterpret_cast<void (*)(int)>(dlsym(library, "tls_use"))) {}
  int* (*number)();
  bool (*is_fresh)();
  void (*use)(int);
};

TEST_P(TlsModule, IsFreshInEveryThreadOldAndNewAndEachThreadsOwn) {
  std::atomic<Functions*> functions = nullptr;
  std::atomic<int> ready = 0;
  auto check = [&](int i) {
    return [&, i] {
      ++ready;
      EXPECT_TRUE(eventually([&] { return functions != nullptr; }));
      Functions& module = *functions;
      bool right = module.is_fresh();
      int* address = module.number();
      module.use(i);
      for (int j = 0; j < 10; ++j) {
        usleep(500);
        sched_yield();
        right = right && *module.number() == i && module.number() == address;
      }
      return word(right);
    };
  };
  std::vector<pthread_t> threads;
  for (int i = 0; i < 20; ++i) threads.push_back(start_thread(check(100 + i)));
  EXPECT_TRUE(eventually([&] { return ready == 20; }));
  void* library = open_library(GetParam());
  ASSERT_NE(library, nullptr) << dlerror();
  Functions found(library);
  EXPECT_TRUE(found.is_fresh());
  functions = &found;
  for (int i = 0; i < 20; ++i) threads.push_back(start_thread(check(200 + i)));
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
  EXPECT_TRUE(found.is_fresh());
}

TEST_P(TlsModule, OpenedByAThreadWorksInMainAndInOthers) {
  void* library = join(start_thread([] { return open_library(TlsModule::GetParam()); }));
  ASSERT_NE(library, nullptr);
  Functions found(library);
  EXPECT_TRUE(found.is_fresh());
  EXPECT_EQ(join(start_thread([&] { return word(found.is_fresh()); })), word(1));
}

TEST(Dlerror, IsEachThreadsOwn) {
  EXPECT_EQ(dlopen("/does/not/exist.so", RTLD_NOW), nullptr);
  EXPECT_EQ(join(start_thread([] { return dlerror(); })), nullptr);
  EXPECT_NE(dlerror(), nullptr);
  EXPECT_EQ(dlerror(), nullptr);
}

}  // namespace
