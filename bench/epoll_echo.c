// The bar: the best echo server that one can write by hand for one thread. Edge-triggered, each connection registered
// once for both directions; a request costs one recv, one send and its share of one epoll_wait.
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "listener.h"

enum { most_events = 512, buffer_bytes = 4096 };

// What a peer that does not read has left over; most connections never have anything here.
struct Backlog {
  char* data;
  size_t sent, size;
};

static struct Backlog* backlogs;  // by descriptor
static char buffer[buffer_bytes];

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static void forget(int client) {
  free(backlogs[client].data);
  backlogs[client] = (struct Backlog){0};
  close(client);
}

// Returns 1 when all is sent, 0 when the socket is full, -1 when the connection is gone.
static int flush_backlog(int client) {
  struct Backlog* backlog = &backlogs[client];
  while (backlog->sent < backlog->size) {
    ssize_t sent = send(client, backlog->data + backlog->sent, backlog->size - backlog->sent, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? 0 : -1;
    backlog->sent += (size_t)sent;
  }
  free(backlog->data);
  *backlog = (struct Backlog){0};
  return 1;
}

static int send_or_keep(int client, size_t size) {
  ssize_t sent = send(client, buffer, size, MSG_NOSIGNAL);
  if (sent == (ssize_t)size) return 1;
  if (sent < 0 && errno != EAGAIN) return -1;
  if (sent < 0) sent = 0;
  struct Backlog backlog = {.data = malloc(size - (size_t)sent), .size = size - (size_t)sent};
  if (!backlog.data) fail("malloc");
  memcpy(backlog.data, buffer + sent, backlog.size);
  backlogs[client] = backlog;
  return flush_backlog(client);
}

// A short read has emptied the socket, so nothing is asked again until the next edge. Only the end of the stream may
// have come together with the data, and then the event says so.
static void echo(int client, uint32_t events) {
  int ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  int flushed = backlogs[client].data ? flush_backlog(client) : 1;
  while (flushed == 1) {
    ssize_t size = recv(client, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) break;
    flushed = send_or_keep(client, (size_t)size);
    if (flushed == 1 && size < (ssize_t)sizeof buffer && !ending) return;
  }
  if (flushed != 0) forget(client);
}

static void accept_all(int loop, int listener) {
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0 && errno == EAGAIN) return;
    if (client < 0 && errno == ECONNABORTED) continue;
    if (client < 0) fail("accept4");
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = client};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, client, &interest) != 0) fail("epoll_ctl");
  }
}

int main(void) {
  int listener = listen_on_loopback(SOCK_NONBLOCK);
  int loop = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event interest = {.events = EPOLLIN, .data.fd = listener};
  if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, listener, &interest) != 0) fail("epoll");
  backlogs = calloc((size_t)sysconf(_SC_OPEN_MAX), sizeof *backlogs);
  if (!backlogs) fail("calloc");

  struct epoll_event events[most_events];
  for (;;) {
    int count = epoll_wait(loop, events, most_events, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == listener) {
        accept_all(loop, listener);
      } else if (events[i].events & ~(uint32_t)EPOLLOUT || backlogs[events[i].data.fd].data) {
        echo(events[i].data.fd, events[i].events);
      }
    }
  }
}
