#pragma once
// What the scheduler needs from the floor above. The shim implements these for programs; the scheduler's own tests
// implement them trivially. All but `start_os_thread` and those of the starter may run on a scheduler's stack: they do not wait, and
// neither allocate nor free, which in a program with an allocator of its own is to wait.

#include <stddef.h>

namespace unblock {
struct GreenThread;
struct Carrier;
struct Local;
enum class Wakeup : unsigned char;
}  // namespace unblock

namespace unblock::host {

// Starts an OS thread that runs entry(argument) on a real thread block, every signal blocked at first. 0 or an error
// number. Called on a real block, never on a green one.
int start_os_thread(void (*entry)(void*), void* argument);

// The carrier is about to run `green`: make what the kernel keeps per OS thread (signal mask, alternate stack) the
// green thread's. Lazily: no system call when nothing differs.
void before_resume(Carrier& carrier, GreenThread& green);

// The carrier is about to wait for events: the kernel mask to wait under, so that signals can still reach the program.
unsigned long mask_for_waiting();

// The carrier is about to sleep without a processor: signals are for the others.
void before_sleep(Carrier& carrier);

// A green thread has left its stack for ever: wake its joiner, or see that it is taken apart when it has none. Runs on
// a scheduler's stack.
void thread_finished(GreenThread& green);

// The thread has armed a wait and is about to leave its stack: is there a reason not to? Writes it.
bool reason_not_to_park(GreenThread& green, Wakeup& reason);

// Is the frame of a signal handler that began at `handler_frame` still on the calling thread's stack?
bool is_inside_handler(void* handler_frame);

// Signals were recorded while this thread was critical; it no longer is. Runs their handlers.
void deliver_recorded_signals();

// The number by which people know the thread.
unsigned long number_of(const GreenThread& green);

// The OS thread that starts others begins, on a real block; and the monitor has looked while somebody ran. For whoever
// watches beside it.
void starter_begins();
void monitor_looked();
// The starter was called, perhaps by monitor::call_starter(). It may wait, allocate and free.
void starter_is_called();

// Says why an OS thread could not be had; once.
void no_os_thread(int error);

}  // namespace unblock::host
