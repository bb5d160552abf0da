// An echo server with a thread for each client: the plainest server there is. It knows nothing of unblock.
//
//   echo-server [PORT]              with a kernel thread for each client
//   unblock echo-server [PORT]      with a green thread for each client
//
// It prints `listening on 127.0.0.1:PORT`; port 0, the default, lets the system choose one. SIGTERM or SIGINT ends it.
//
// What to watch: connect a few thousand clients and look at `grep Threads /proc/PID/status`. Natively the number
// follows the clients; under unblock it stays at a handful. echo-server-linked is this file too, linked with -lunblock.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener;
static volatile sig_atomic_t stopping;

static void fail(const char* what) {
  perror(what);
  exit(1);
}

// Makes accept() fail from now on, whichever thread the signal lands in, so that main returns.
static void stop(int number) {
  (void)number;
  int saved = errno;
  stopping = 1;
  shutdown(listener, SHUT_RDWR);
  errno = saved;
}

static void stop_on_signals(void) {
  struct sigaction action = {.sa_handler = stop};
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0) fail("sigaction");
}

static ssize_t receive_some(int client, char* buffer, size_t size) {
  ssize_t received;
  do {
    received = recv(client, buffer, size, 0);
  } while (received < 0 && errno == EINTR);
  return received;
}

// send() may take a part only. MSG_NOSIGNAL: a client that is gone is an error here, no signal.
static bool send_all(int client, const char* data, size_t size) {
  while (size > 0) {
    ssize_t sent = send(client, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    data += sent;
    size -= (size_t)sent;
  }
  return true;
}

static void* serve(void* argument) {
  int client = (int)(intptr_t)argument;
  char buffer[4096];
  ssize_t size;
  while ((size = receive_some(client, buffer, sizeof buffer)) > 0) {
    if (!send_all(client, buffer, (size_t)size)) break;
  }
  close(client);
  return NULL;
}

static void serve_in_a_thread(int client, const pthread_attr_t* detached) {
  pthread_t thread;
  int error = pthread_create(&thread, detached, serve, (void*)(intptr_t)client);
  if (error == 0) return;
  fprintf(stderr, "echo-server: no thread for a client: %s\n", strerror(error));
  close(client);
}

static void accept_clients(void) {
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  while (!stopping) {
    int client = accept(listener, NULL, NULL);
    if (client >= 0) {
      serve_in_a_thread(client, &detached);
    } else if (errno == EMFILE || errno == ENFILE) {
      usleep(10000);  // Until a client leaves, no descriptor is to be had.
    } else if (errno != EINTR && errno != ECONNABORTED && !stopping) {
      fail("accept");
    }
  }
}

static void listen_on(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int on = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) fail("socket");
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) fail("setsockopt");
  if (bind(listener, (struct sockaddr*)&address, size) != 0) fail("bind");
  if (listen(listener, 4096) != 0) fail("listen");
  if (getsockname(listener, (struct sockaddr*)&address, &size) != 0) fail("getsockname");
  stop_on_signals();
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
}

int main(int count, char** arguments) {
  char* end = "";
  long port = count > 1 ? strtol(arguments[1], &end, 10) : 0;
  if (count > 2 || *end != '\0' || port < 0 || port > 65535) {
    fprintf(stderr, "usage: echo-server [PORT]\n");
    return 2;
  }
  listen_on((uint16_t)port);
  accept_clients();
  return 0;
}
