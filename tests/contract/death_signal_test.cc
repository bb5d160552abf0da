// PR_SET_PDEATHSIG of a child whose parent forked it from a thread that has ended. Linux sends the signal then, because
// for it the parent is the OS thread; under the library a green thread is none, and the child lives until the process ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>

#include <vector>

#include "child.h"
#include "connection.h"
#include "threads.h"

namespace {

TEST(DeathSignal, ComesWhenTheProcessEndsAndNotWhenTheThreadDoesThatForked) {
  Connection gate = pipe_connection(), ready = pipe_connection();
  pid_t child = -1;
  join(start_thread([&] {
    child = start_child([&] {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      send_text(ready.far, "r");
      return read_text(gate.near) == "go" ? 33 : 34;
    });
    return nullptr;
  }));
  EXPECT_EQ(read_text(ready.near), "r");
  // Many threads come and go, so that OS threads which are not needed would have ended.
  std::vector<pthread_t> threads;
  for (int i = 0; i < 50; ++i) threads.push_back(start_thread([] { return usleep(1000), nullptr; }));
  for (pthread_t thread : threads) join(thread);
  send_text(gate.far, "go");
  EXPECT_EQ(end_of(child), 33);
}

TEST(DeathSignal, ComesWhenTheProcessEnds) {
  Connection output = pipe_connection();
  pid_t parent = start_child([&] {
    join(start_thread([&] {
      Connection ready = pipe_connection();
      start_child([&] {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        send_text(ready.far, "r");
        for (;;) pause();
        return 0;
      });
      return word(read_text(ready.near).size());
    }));
    return 0;
  });
  EXPECT_EQ(end_of(parent), 0);
  output.far.reset();
  EXPECT_EQ(read_all(output.near), "");  // the last who could write has ended
}

}  // namespace
