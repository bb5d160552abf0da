// A library whose constructor starts threads: one that it joins, and one that works until the destructor stops it. Its
// thread-local data has a destructor of its own.
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

namespace {

sem_t work, finished;
pthread_t worker;
bool stopping;
int joined, *destroyed;

struct Owned {
  ~Owned() {
    if (count != nullptr) ++*count;
  }
  int* count = nullptr;
};
thread_local Owned owned;

void* serve(void*) {
  for (;;) {
    sem_wait(&work);
    if (stopping) return nullptr;
    sem_post(&finished);
  }
}

__attribute__((constructor)) void load() {
  pthread_t once;
  void* result = nullptr;
  auto sleeps = [](void* argument) { return usleep(1000), argument; };
  if (pthread_create(&once, nullptr, sleeps, &joined) == 0) pthread_join(once, &result);
  joined = result == &joined;
  sem_init(&work, 0, 0);
  sem_init(&finished, 0, 0);
  pthread_create(&worker, nullptr, serve, nullptr);
}

__attribute__((destructor)) void unload() {
  stopping = true;
  sem_post(&work);
  pthread_join(worker, nullptr);
  if (destroyed != nullptr) ++*destroyed;
}

}  // namespace

extern "C" bool module_joined() { return joined == 1; }
extern "C" void module_work() {
  sem_post(&work);
  sem_wait(&finished);
}
extern "C" void module_count_unloads(int* count) { destroyed = count; }
extern "C" void module_count_thread_ends(int* count) { owned.count = count; }
