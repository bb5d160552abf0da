// An echo server with a thread for each client, whose clients can make their thread misbehave. A request is one byte:
//
//   h  answered, then the thread computes without end until somebody sends H
//   b  answered, then the thread blocks in a system call that no library sees until somebody sends B
//   H  ends the computing, B one blocking; the thread then answers a second time
//   any other byte is echoed
//
// hog_delay.py measures how long the echoes of the others take meanwhile.
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "listener.h"

static atomic_int calm;
static int relief[2];  // a pipe; a byte in it frees the thread that blocks

// The system call itself, inline, as language runtimes make it: there is no symbol to interpose.
static long raw_read(int fd, void* data, size_t size) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(SYS_read), "D"(fd), "S"(data), "d"(size) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long number __asm__("x8") = SYS_read;
  register long result __asm__("x0") = fd;
  register void* where __asm__("x1") = data;
  register size_t most __asm__("x2") = size;
  __asm__ volatile("svc 0" : "+r"(result) : "r"(number), "r"(where), "r"(most) : "memory");
  return result;
#else
#error "say here how this processor enters the kernel"
#endif
}

static void compute_without_end(void) {
  while (!atomic_load_explicit(&calm, memory_order_relaxed)) continue;
}

static void block_unseen(void) {
  char byte;
  while (raw_read(relief[0], &byte, 1) == -EINTR) continue;
}

static int answer(int client, char request) { return send(client, &request, 1, MSG_NOSIGNAL) == 1; }

static int handle(int client, char request) {
  if (request == 'h') atomic_store(&calm, 0);
  if (request == 'H') atomic_store(&calm, 1);
  if (request == 'B' && write(relief[1], "", 1) != 1) perror("write");
  if (!answer(client, request)) return 0;
  if (request == 'h') compute_without_end();
  if (request == 'b') block_unseen();
  return request == 'h' || request == 'b' ? answer(client, request) : 1;
}

static void* serve(void* argument) {
  int client = (int)(intptr_t)argument;
  char request;
  while (recv(client, &request, 1, 0) == 1 && handle(client, request)) continue;
  close(client);
  return NULL;
}

int main(void) {
  if (pipe(relief) != 0) {
    perror("pipe");
    return 1;
  }
  int listener = listen_on_loopback(0);
  for (;;) {
    int client = accept(listener, NULL, NULL);
    pthread_t thread;
    if (client < 0 || (errno = pthread_create(&thread, NULL, serve, (void*)(intptr_t)client)) != 0) {
      perror("hog-echo");
      return 1;
    }
    pthread_detach(thread);
  }
}
