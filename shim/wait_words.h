#pragma once
// What a thread waits for, as reports say it: "waits for …". Async-signal-safe.

#include "shim/lines.h"
#include "shim/thread.h"

namespace unblock {

// Such as "a condition"; an empty text for none.
const char* words_of(WaitKind kind);

// The kind, the object and for how long, of a thread that waits: "a mutex 0x… for 12 ms".
void add_wait(Lines& lines, const GreenThread& green);

// `thread 3 "name"`.
Lines& operator<<(Lines& lines, const Thread& thread);

}  // namespace unblock
