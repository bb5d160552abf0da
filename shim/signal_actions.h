#pragma once
// What the program wants to happen at each signal, behind our own handler.

#include <signal.h>

#include "scheduler/lock.h"

namespace unblock::signals {

// Our handler; see signals.h.
void arrive(int signal, siginfo_t* info, void* context);

// Held across a fork.
Lock& actions_lock();

// Puts ours in front of every handler that the program has installed so far.
void take_over_actions();
// The same for one signal, whatever its action: the operator's (dump.h), which is ours even while the process is quiet.
void take_over_action(int signal);

// Calls the program's handler.
void call_action(int signal, siginfo_t* info, void* context);

// Some thread blocks these: the default action of those that end the process is ours to take from here on.
void guard_defaults(unsigned long blocked);
bool has_default_action(int signal);
// The default action, as the kernel takes it: mostly the end of the process.
void take_default_action(int signal);

// sigaction(2) for the program. The caller holds actions_lock().
int change_action(int signal, const struct sigaction* wanted, struct sigaction* before);

int action_flags(int signal);
// What is blocked while the handler runs: its mask, and itself without SA_NODEFER.
unsigned long action_mask(int signal);
bool has_handler(int signal);
bool is_ignored(int signal);

}  // namespace unblock::signals
