// pthread_yield(3), by itself: <pthread.h> declares it as another name for sched_yield, which would define that twice.

extern "C" int sched_yield(void) noexcept;

extern "C" __attribute__((visibility("default"))) int pthread_yield(void) { return sched_yield(); }
