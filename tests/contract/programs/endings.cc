// Ways in which a whole program with threads ends. Run by program_end_test.cc; says on standard output what happened.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<bool> may_end;

struct Global {
  ~Global() { printf("global\n"); }
} global;

void at_exit() { printf("atexit\n"); }

pthread_t start(void* (*routine)(void*)) {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, routine, nullptr) != 0) abort();
  return thread;
}

void* wait_for_ever(void*) {
  for (;;) pause();
}

void* say_after_main(void*) {
  while (!may_end) usleep(1000);
  usleep(1000);
  printf("thread\n");
  return nullptr;
}

int main_exits() {
  start(say_after_main);
  struct Local {
    ~Local() { printf("local\n"), may_end = true; }
  } local;
  pthread_exit(nullptr);
}

int thread_exits() {
  start([](void*) -> void* { exit(47); });
  wait_for_ever(nullptr);
  return 1;
}

int main_returns() {
  start(wait_for_ever);
  return 48;
}

int thread_quick_exits() {
  at_quick_exit([] { fputs("quick\n", stdout), fflush(stdout); });
  start([](void*) -> void* { quick_exit(49); });
  wait_for_ever(nullptr);
  return 1;
}

int thread_leaves_at_once() {
  start([](void*) -> void* { _exit(50); });
  wait_for_ever(nullptr);
  return 1;
}

int thread_aborts() {
  start([](void*) -> void* { abort(); });
  wait_for_ever(nullptr);
  return 1;
}

int last_thread_exits() {
  // Both main and the thread leave by pthread_exit; the process then ends with 0, as by exit(0).
  start([](void*) -> void* {
    while (!may_end) usleep(1000);
    pthread_exit(nullptr);
  });
  may_end = true;
  pthread_exit(nullptr);
}

int exit_handler_joins() {
  static pthread_t thread;
  thread = start(say_after_main);
  atexit([] {
    may_end = true;
    pthread_join(thread, nullptr);
    printf("joined\n");
  });
  return 51;
}

// A line when it is destroyed, for whoever says that the thread ended in order.
struct Line {
  ~Line() {
    if (text != nullptr) printf("%s\n", text);
  }
  const char* text = nullptr;
};
thread_local Line thread_line;

int exit_destroys_only_the_callers_thread_data() {
  start([](void*) -> void* {
    thread_line.text = "never said";
    may_end = true;
    return wait_for_ever(nullptr);
  });
  start([](void*) -> void* {
    while (!may_end) usleep(1000);
    thread_line.text = "thread_local";
    exit(53);
  });
  return wait_for_ever(nullptr), 1;
}

int exit_handler_starts_threads() {
  start(wait_for_ever);
  atexit([] {
    for (int i = 0; i < 3; ++i) {
      void* result;
      pthread_join(start([](void*) -> void* { return usleep(1000), &may_end; }), &result);
      printf("%s\n", result == &may_end ? "joined" : "wrong");
    }
  });
  return 54;
}

int exit_handlers_run_last_registered_first() {
  start(wait_for_ever);
  on_exit([](int code, void* text) { printf("%s %d\n", static_cast<const char*>(text), code); },
          const_cast<char*>("on_exit"));
  atexit([] { printf("second\n"), atexit([] { printf("late\n"); }); });
  start([](void*) -> void* { return atexit([] { printf("first\n"); }), exit(55), nullptr; });
  return wait_for_ever(nullptr), 1;
}

int exit_handler_exits() {
  start(wait_for_ever);
  atexit([] { exit(56); });
  return 1;
}

int exit_handler_leaves_at_once() {
  start(wait_for_ever);
  atexit([] { _exit(57); });
  return 1;
}

int thread_exits_while_main_joins() {
  pthread_join(start([](void*) -> void* { return usleep(1000), exit(58), nullptr; }), nullptr);
  return 1;
}

int thread_exits_after_main_has() {
  start([](void*) -> void* {
    while (!may_end) usleep(1000);
    exit(59);
  });
  may_end = true;
  pthread_exit(nullptr);
}

int main_is_cancelled() {
  static pthread_t main_thread = pthread_self();
  start([](void*) -> void* {
    pthread_cancel(main_thread);
    void* result;
    pthread_join(main_thread, &result);
    printf("%s\n", result == PTHREAD_CANCELED ? "cancelled" : "wrong");
    return nullptr;
  });
  return wait_for_ever(nullptr), 1;
}

int main_exits_with_cleanup() {
  static pthread_key_t key;
  pthread_key_create(&key, [](void*) {
    printf("key\n");
    may_end = true;
  });
  pthread_setspecific(key, &key);
  struct Own {
    ~Own() { printf("thread_local\n"); }
  };
  static thread_local Own own;
  (void)own;
  pthread_t thread;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_create(
      &thread, &detached,
      [](void*) -> void* {
        while (!may_end) usleep(1000);
        printf("detached\n");
        return nullptr;
      },
      nullptr);
  pthread_cleanup_push([](void*) { printf("cleanup\n"); }, nullptr);
  pthread_exit(nullptr);
  pthread_cleanup_pop(0);
}

int abort_after_a_handler() {
  signal(SIGABRT, [](int) { write(STDOUT_FILENO, "handler\n", 8); });
  start([](void*) -> void* { abort(); });
  return wait_for_ever(nullptr), 1;
}

int abort_although_blocked_and_ignored() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGABRT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGABRT, SIG_IGN);
  start([](void*) -> void* { abort(); });
  return wait_for_ever(nullptr), 1;
}

int thread_faults() {
  start([](void*) -> void* {
    volatile int* nowhere = nullptr;
    *nowhere = 1;
    return nullptr;
  });
  return wait_for_ever(nullptr), 1;
}

int thread_is_killed() {
  start([](void*) -> void* { return raise(SIGTERM), nullptr; });
  return wait_for_ever(nullptr), 1;
}

int handler_leaves() {
  signal(SIGUSR1, [](int) { _exit(60); });
  pthread_t waits = start(wait_for_ever);
  usleep(1000);
  pthread_kill(waits, SIGUSR1);
  return wait_for_ever(nullptr), 1;
}

int quick_exit_handlers_run_last_registered_first() {
  start(wait_for_ever);
  at_quick_exit([] { fputs("second\n", stdout), fflush(stdout); });
  at_quick_exit([] { fputs("first\n", stdout), fflush(stdout); });
  thread_line.text = "never said";
  quick_exit(61);
}

int terminate_of_a_thread() {
  start([](void*) -> void* { throw 1; });
  return wait_for_ever(nullptr), 1;
}

int exec_from_thread() {
  start([](void*) -> void* {
    execl("/bin/sh", "sh", "-c", "echo shell $0 $1; exit 52", "one", "two", nullptr);
    return nullptr;
  });
  wait_for_ever(nullptr);
  return 1;
}

struct {
  const char* name;
  int (*run)();
} endings[] = {{"main_exits", main_exits},
               {"thread_exits", thread_exits},
               {"main_returns", main_returns},
               {"thread_quick_exits", thread_quick_exits},
               {"thread_leaves_at_once", thread_leaves_at_once},
               {"thread_aborts", thread_aborts},
               {"last_thread_exits", last_thread_exits},
               {"exit_handler_joins", exit_handler_joins},
               {"exit_destroys_only_the_callers_thread_data", exit_destroys_only_the_callers_thread_data},
               {"exit_handler_starts_threads", exit_handler_starts_threads},
               {"exit_handlers_run_last_registered_first", exit_handlers_run_last_registered_first},
               {"exit_handler_exits", exit_handler_exits},
               {"exit_handler_leaves_at_once", exit_handler_leaves_at_once},
               {"thread_exits_while_main_joins", thread_exits_while_main_joins},
               {"thread_exits_after_main_has", thread_exits_after_main_has},
               {"main_is_cancelled", main_is_cancelled},
               {"main_exits_with_cleanup", main_exits_with_cleanup},
               {"abort_after_a_handler", abort_after_a_handler},
               {"abort_although_blocked_and_ignored", abort_although_blocked_and_ignored},
               {"thread_faults", thread_faults},
               {"thread_is_killed", thread_is_killed},
               {"handler_leaves", handler_leaves},
               {"quick_exit_handlers_run_last_registered_first", quick_exit_handlers_run_last_registered_first},
               {"terminate_of_a_thread", terminate_of_a_thread},
               {"exec_from_thread", exec_from_thread}};

}  // namespace

int main(int, char** argv) {
  atexit(at_exit);
  for (auto& ending : endings) {
    if (strcmp(ending.name, argv[1]) == 0) return ending.run();
  }
  return 2;
}
