// Looks names up at a name server on the loopback: look-ups PORT COUNT. Each of COUNT threads asks for one name; prints
// the seconds from the first question to the last answer.
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int port;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

// libc keeps the addresses of name servers for each thread.
static void* look_up(void* number) {
  res_init();
  _res.nscount = 1;
  _res.nsaddr_list[0].sin_family = AF_INET;
  _res.nsaddr_list[0].sin_port = htons(port);
  _res.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  _res.retrans = 25;
  _res.retry = 1;
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  char name[64];
  snprintf(name, sizeof name, "host%ld.test.", (long)number);
  if (getaddrinfo(name, "80", &hints, &found) != 0) exit(1);
  freeaddrinfo(found);
  return NULL;
}

int main(int count, char** words) {
  if (count != 3) return 2;
  port = atoi(words[1]);
  long many = atol(words[2]);
  pthread_t* threads = calloc(many, sizeof *threads);
  double begin = now();
  for (long i = 0; i < many; i++) {
    if (pthread_create(&threads[i], NULL, look_up, (void*)i) != 0) return 1;
  }
  for (long i = 0; i < many; i++) pthread_join(threads[i], NULL);
  printf("%f\n", now() - begin);
  free(threads);
}
