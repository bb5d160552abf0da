#pragma once
// A dump: the stack of one green thread and a line for each other, on standard error. On a signal that the operator
// chooses (--dump-signal), and before the process dies of a fault or of abort(3) (--dump-on-crash, or either).
//
// The chosen signal is the operator's: our handler stands in front of it from the constructor on, whatever the program
// does with it; a handler of the program runs after the dump, and its default action does not. While the process is
// quiet a dump is one line with the place of the interrupted instruction, and the only thread may block the signal. Once
// there are green threads, an OS thread of our own lets it through, so it arrives also where every thread blocks it.
//
// A fatal signal is caught only while the program leaves it at its default. After the dump the default is back and the
// instruction faults again, or the signal is sent again: exit status and core file are the native ones. A fault within
// the dump ends it.
//
// All of it is async-signal-safe: no locks, no memory, no loader. Lines of source come from the `unblock` command.

#include <signal.h>

namespace unblock::dump {

// In the library's constructor.
void load();

// When green threads begin.
void begin();

// The OS thread that starts others starts the one that lets the signal through.
void start_receiver();

// The action that the kernel has for the operator's signal; none of ours for any other.
bool is_operators(int signal);
struct sigaction action();

// Before the process dies of this signal: says so, if that is wanted.
bool is_wanted_on_crash();
void before_death(int signal, siginfo_t* info, void* context);

}  // namespace unblock::dump
