// Libraries that come and go in a program with threads: threads in their constructors, thread-local data with
// destructors, many threads that open and close at once.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <link.h>
#include <pthread.h>

#include <atomic>
#include <thread>
#include <vector>

#include "connection.h"
#include "threads.h"

namespace {

template <typename Function>
Function* function_of(void* library, const char* name) {
  void* found = dlsym(library, name);
  EXPECT_NE(found, nullptr) << name;
  return reinterpret_cast<Function*>(found);
}

void* opened(const char* path, int flags = RTLD_NOW) {
  void* library = dlopen(path, flags);
  EXPECT_NE(library, nullptr) << dlerror();
  return library;
}

TEST(DlopenThreads, ConstructorMayStartThreadsAndTheDestructorMayStopThem) {
  for (int i = 0; i < 5; ++i) {
    void* library = opened(THREAD_MODULE);
    int unloads = 0;
    EXPECT_TRUE(function_of<bool()>(library, "module_joined")());
    function_of<void()>(library, "module_work")();
    function_of<void(int*)>(library, "module_count_unloads")(&unloads);
    EXPECT_EQ(dlclose(library), 0);
    EXPECT_EQ(unloads, 1);
    EXPECT_EQ(dlopen(THREAD_MODULE, RTLD_NOW | RTLD_NOLOAD), nullptr);
  }
}

TEST(DlopenThreads, OpenedByAThreadWorksInAllOthers) {
  void* library = join(start_thread([] { return opened(THREAD_MODULE); }));
  auto work = function_of<void()>(library, "module_work");
  std::vector<pthread_t> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(start_thread([&] {
      for (int j = 0; j < 10; ++j) work();
      return nullptr;
    }));
  }
  for (pthread_t thread : threads) join(thread);
  EXPECT_EQ(join(start_thread([&] { return word(dlclose(library)); })), word(0));
}

TEST(DlopenThreads, LibraryStaysWhileAThreadHasDataOfItThatMustBeDestroyed) {
  int unloads = 0, ends = 0;
  Connection gate = pipe_connection();
  void* library = opened(THREAD_MODULE);
  function_of<void(int*)>(library, "module_count_unloads")(&unloads);
  std::atomic<bool> uses = false;
  pthread_t user = start_thread([&] {
    function_of<void(int*)>(library, "module_count_thread_ends")(&ends);
    uses = true;
    return word(read_text(gate.near).size());
  });
  EXPECT_TRUE(eventually(uses));
  EXPECT_EQ(dlclose(library), 0);
  EXPECT_EQ(unloads, 0);
  send_text(gate.far, "x");
  EXPECT_EQ(join(user), word(1));
  EXPECT_EQ(ends, 1);
  // The next who closes it finds nobody there.
  EXPECT_EQ(dlclose(opened(THREAD_MODULE)), 0);
  EXPECT_EQ(unloads, 1);
}

class OpenAndClose : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Models, OpenAndClose, testing::Values(TLS_GENERAL_DYNAMIC, TLS_INITIAL_EXEC),
                         [](auto& path) { return path.index == 0 ? "general_dynamic" : "initial_exec"; });

TEST_P(OpenAndClose, DataIsFreshAfterEachOpenInThreadsThatLiveOn) {
  constexpr int rounds = 20, users = 4;
  std::atomic<int> round = 0, seen = 0, stale = 0;
  void* library = nullptr;
  std::vector<std::thread> threads;
  for (int i = 0; i < users; ++i) {
    threads.emplace_back([&] {
      for (int turn = 1; turn <= rounds; ++turn) {
        EXPECT_TRUE(eventually([&] { return round >= turn; }));
        stale += !function_of<bool()>(library, "tls_is_fresh")();
        function_of<void(int)>(library, "tls_use")(turn);
        ++seen;
      }
    });
  }
  for (int turn = 1; turn <= rounds; ++turn) {
    library = opened(GetParam());
    seen = 0;
    round = turn;
    EXPECT_TRUE(eventually([&] { return seen == users; }));
    EXPECT_EQ(dlclose(library), 0);
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(stale, 0);
}

TEST_P(OpenAndClose, ManyThreadsMayDoItAtOnce) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 20; ++turn) {
        void* library = opened(i % 2 == 0 ? GetParam() : THREAD_MODULE);
        if (i % 2 == 0) {
          function_of<void(int)>(library, "tls_use")(i);
          sched_yield();
          wrong += *function_of<int*()>(library, "tls_number")() != i;
        } else {
          wrong += !function_of<bool()>(library, "module_joined")();
        }
        dl_iterate_phdr([](dl_phdr_info*, size_t, void*) { return 0; }, nullptr);
        wrong += dlclose(library) != 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Dlopen, CountsItsOpensAndTellsWhatIsLoaded) {
  EXPECT_EQ(join(start_thread([] {
              void *first = opened(TLS_GENERAL_DYNAMIC), *second = opened(TLS_GENERAL_DYNAMIC);
              EXPECT_EQ(first, second);
              EXPECT_EQ(dlclose(first), 0);
              void* third = dlopen(TLS_GENERAL_DYNAMIC, RTLD_NOW | RTLD_NOLOAD);
              EXPECT_EQ(third, second);
              Dl_info info;
              EXPECT_NE(dladdr(dlsym(third, "tls_number"), &info), 0);
              EXPECT_STREQ(info.dli_sname, "tls_number");
              EXPECT_EQ(dlsym(third, "no_such_name"), nullptr);
              EXPECT_NE(dlerror(), nullptr);
              return word(dlclose(second) + dlclose(third));
            })),
            word(0));
}

}  // namespace
