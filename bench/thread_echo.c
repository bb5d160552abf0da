// The plainest echo server there is: a thread for each client, blocking calls, no option set. It is measured natively
// and under unblock.
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "listener.h"

static int send_all(int client, const char* data, ssize_t size) {
  while (size > 0) {
    ssize_t sent = send(client, data, (size_t)size, MSG_NOSIGNAL);
    if (sent < 0) return -1;
    data += sent;
    size -= sent;
  }
  return 0;
}

static void* serve(void* argument) {
  int client = (int)(intptr_t)argument;
  char data[4096];
  ssize_t size;
  while ((size = recv(client, data, sizeof data, 0)) > 0) {
    if (send_all(client, data, size) != 0) break;
  }
  close(client);
  return NULL;
}

int main(void) {
  int listener = listen_on_loopback(0);
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      perror("accept");
      return 1;
    }
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, serve, (void*)(intptr_t)client);
    if (failure != 0) {
      errno = failure;
      perror("pthread_create");
      return 1;
    }
    pthread_detach(thread);
  }
}
