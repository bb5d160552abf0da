// Sleeps, waits for signals and waits for children: the others run meanwhile.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "../contract/child.h"
#include "../contract/signals.h"
#include "witness.h"

namespace {

TEST(Sleep, Nanosleep) {
  timespec duration = {1000, 0};
  expect_others_run_until_a_signal_ends([&] { EXPECT_EQ(nanosleep(&duration, nullptr), -1); });
}

TEST(Sleep, ClockNanosleep) {
  timespec duration = {1000, 0}, moment = far_away(CLOCK_MONOTONIC);
  expect_others_run_until_a_signal_ends(
      [&] { EXPECT_EQ(clock_nanosleep(CLOCK_REALTIME, 0, &duration, nullptr), EINTR); });
  expect_others_run_until_a_signal_ends(
      [&] { EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, nullptr), EINTR); });
}

TEST(Sleep, Usleep) {
  expect_others_run_until_a_signal_ends([] { EXPECT_EQ(usleep(1000'000'000), -1); });
}

TEST(Sleep, Sleep) {
  expect_others_run_until_a_signal_ends([] { EXPECT_GT(sleep(1000), 0u); });
}

TEST(Sleep, ThrdSleep) {
  timespec duration = {1000, 0};
  expect_others_run_until_a_signal_ends([&] { EXPECT_EQ(thrd_sleep(&duration, nullptr), -1); });
}

TEST(SignalWait, Pause) {
  expect_others_run_until_a_signal_ends([] { EXPECT_EQ(pause(), -1); });
}

TEST(SignalWait, Sigsuspend) {
  sigset_t none = set_of({});
  expect_others_run_until_a_signal_ends([&] { EXPECT_EQ(sigsuspend(&none), -1); });
}

// Another thread takes a signal that we can still send.
void expect_sender_runs_during(std::function<int(const sigset_t*)> wait) {
  Blocked blocked({SIGUSR2});
  sigset_t set = set_of({SIGUSR2});
  expect_others_run_during([&] { EXPECT_EQ(wait(&set), SIGUSR2); }, [] { EXPECT_EQ(kill(getpid(), SIGUSR2), 0); });
}

TEST(SignalWait, Sigwait) {
  expect_sender_runs_during([](const sigset_t* set) {
    int signal = 0;
    return sigwait(set, &signal) == 0 ? signal : -1;
  });
}

TEST(SignalWait, Sigwaitinfo) {
  expect_sender_runs_during([](const sigset_t* set) { return sigwaitinfo(set, nullptr); });
}

TEST(SignalWait, Sigtimedwait) {
  timespec long_time = {1000, 0};
  expect_sender_runs_during([&](const sigset_t* set) { return sigtimedwait(set, nullptr, &long_time); });
}

// Another thread waits for a child that ends only when we say so.
void expect_others_run_during_wait(std::function<pid_t(pid_t, int*)> wait) {
  Shared<std::atomic<bool>> may_end;
  pid_t child = start_child([&] { return eventually([&] { return may_end->load(); }) ? 47 : 1; });
  auto wait_for_child = [&] {
    int status = 0;
    EXPECT_EQ(wait(child, &status), child);
    EXPECT_EQ(WEXITSTATUS(status), 47);
  };
  expect_others_run_during(wait_for_child, [&] { *may_end.operator->() = true; });
}

TEST(ChildWait, Waitpid) {
  expect_others_run_during_wait([](pid_t child, int* status) { return waitpid(child, status, 0); });
}

TEST(ChildWait, WaitpidOfAnyChild) {
  expect_others_run_during_wait([](pid_t, int* status) { return waitpid(-1, status, 0); });
}

TEST(ChildWait, Wait) {
  expect_others_run_during_wait([](pid_t, int* status) { return wait(status); });
}

TEST(ChildWait, Wait3AndWait4) {
  expect_others_run_during_wait([](pid_t, int* status) { return wait3(status, 0, nullptr); });
  expect_others_run_during_wait([](pid_t child, int* status) { return wait4(child, status, 0, nullptr); });
}

TEST(ChildWait, Waitid) {
  expect_others_run_during_wait([](pid_t child, int* status) {
    siginfo_t info{};
    int result = waitid(P_PID, child, &info, WEXITED);
    *status = info.si_status << 8;
    return result == 0 ? info.si_pid : -1;
  });
}

}  // namespace
