#pragma once
// Clocks and timers that belong to one green thread.

#include <time.h>

#include "shim/thread.h"

namespace unblock::clocks {

// Whose CPU time this clock tells; null: no green thread's.
Thread* owner_of(clockid_t clock);

// The green thread whose timer has sent this signal; null when it was sent to the process. Async-signal-safe outside
// critical sections.
Thread* target_of_timer(const siginfo_t* info);

// Does it come from a timer whose thread has ended? Nobody gets it then.
bool outlived_its_target(const siginfo_t* info);

}  // namespace unblock::clocks
