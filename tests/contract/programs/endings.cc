// Ways in which a whole program with threads ends. Run by program_end_test.cc; says on standard output what happened.
#include <pthread.h>
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
               {"exec_from_thread", exec_from_thread}};

}  // namespace

int main(int, char** argv) {
  atexit(at_exit);
  for (auto& ending : endings) {
    if (strcmp(ending.name, argv[1]) == 0) return ending.run();
  }
  return 2;
}
