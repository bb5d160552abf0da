/* An echo server with a thread for each client, beside two threads that never let go by themselves: one computes in an
 * endless loop, one waits in a system call that no library sees. A client's line `state` asks whether they have
 * finished, `end` lets them, and every other line comes back. Prints its port. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_bool may_finish;
static atomic_bool loop_finished;
static atomic_bool call_finished;
static int never_written[2];

static long raw_read(int fd, void* data, size_t size) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_read), "D"(fd), "S"(data), "d"(size) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long call __asm__("x8") = SYS_read;
  register long first __asm__("x0") = fd;
  register void* second __asm__("x1") = data;
  register size_t third __asm__("x2") = size;
  __asm__ volatile("svc 0" : "+r"(first) : "r"(call), "r"(second), "r"(third) : "memory");
  return first;
#endif
}

static void* compute(void* unused) {
  while (!atomic_load_explicit(&may_finish, memory_order_relaxed)) {
  }
  loop_finished = 1;
  return NULL;
}

static void* wait_unseen(void* unused) {
  char byte;
  if (raw_read(never_written[0], &byte, 1) == 1) {
    call_finished = 1;
  }
  return NULL;
}

static void answer(FILE* client, const char* line) {
  if (strcmp(line, "state\n") == 0) {
    fprintf(client, "loop %d call %d\n", loop_finished, call_finished);
  } else if (strcmp(line, "end\n") == 0) {
    may_finish = 1;
    if (write(never_written[1], "x", 1) != 1) {
      abort();
    }
    fputs("ending\n", client);
  } else {
    fputs(line, client);
  }
  fflush(client);
}

static void* serve(void* argument) {
  FILE* client = argument;
  char line[256];
  while (fgets(line, sizeof line, client)) {
    answer(client, line);
  }
  fclose(client);
  return NULL;
}

static void* accept_clients(void* argument) {
  int listener = *(int*)argument;
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    FILE* client = fd < 0 ? NULL : fdopen(fd, "r+");
    pthread_t thread;
    if (!client || pthread_create(&thread, NULL, serve, client) != 0 || pthread_detach(thread) != 0) {
      abort();
    }
  }
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  pthread_t acceptor, loop, call;
  if (bind(listener, (struct sockaddr*)&address, size) != 0 || listen(listener, 64) != 0 || pipe(never_written) != 0 ||
      getsockname(listener, (struct sockaddr*)&address, &size) != 0 ||
      pthread_create(&acceptor, NULL, accept_clients, &listener) != 0 ||
      pthread_create(&loop, NULL, compute, NULL) != 0 || pthread_create(&call, NULL, wait_unseen, NULL) != 0) {
    perror("hog_server");
    return 1;
  }
  printf("listening on %d\n", ntohs(address.sin_port));
  fflush(stdout);
  pthread_join(loop, NULL);
  pthread_join(call, NULL);
  printf("ended: loop %d call %d\n", loop_finished, call_finished);
  return 0;
}
