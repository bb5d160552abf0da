#pragma once
// Cancellation (pthreads(7)): the request is a bit in the thread's block, where libc keeps it; acting on it is libc's.
// Every wait that is a cancellation point asks before it waits and after it was woken for that.

#include "shim/thread.h"

namespace unblock::cancellation {

// Has somebody asked the calling thread to end, and may it? One load.
bool requested();

// Is a wait of this kind a cancellation point? Locks are none: such a wait goes on.
bool ends(WaitKind kind);

// Ends the calling thread if so; the cleanup handlers run.
void test();

// Puts our handler in the place of libc's for the signal by which it cancels, or where libc will put its own.
void take_over_signal();

// Ends the calling thread if it was asked to and its type is asynchronous.
void act_if_asynchronous();

// Around a system call that is a cancellation point and may block: as libc does, the type is asynchronous meanwhile.
class Point {
 public:
  Point();
  ~Point();
  Point(const Point&) = delete;

 private:
  int type_;
};

// Runs work() on the carrier's block: a wait of libc's that is a cancellation point there. A request for the calling
// thread ends it, and what libc has to put right is done. True: it was so ended, and test() will act on the request.
bool run_on_carrier(void (*work)(void*), void* argument);

// pthread_cancel(3): marks the request and wakes the thread from whatever it waits in.
int request(Thread& thread, pthread_t handle);

}  // namespace unblock::cancellation
