#pragma once
// The phases of a process, so that no wrapper needs to know them:
//   quiet    one thread so far; every call goes straight to libc
//   active   threads are green
//   native   something that we need is missing; threads are libc's for ever, and one line said why
// A call before our constructor, inside malloc, in a handler, after fork and at exit meets `here.green`, which is null
// wherever we cannot help: on threads that are not ours, on schedulers, and before the second thread.

#include "scheduler/local.h"

namespace unblock::lifecycle {

enum class Phase { quiet, active, native };
extern Phase phase;         // written once, by the thread that creates the second one
extern const char* reason;  // native_reason()'s; for layout.cc

inline bool active() { return __builtin_expect(phase == Phase::active, 0); }

// Is the calling thread green? The one branch that a quiet process pays.
inline bool on_green() { return __builtin_expect(here.green != nullptr, 0); }

// The process is about to have a second thread: makes the caller the first green one. True when threads are green.
bool activate();

// Why not; null while quiet or active.
const char* native_reason();

}  // namespace unblock::lifecycle
