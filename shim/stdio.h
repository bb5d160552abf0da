#pragma once
// stdio: every FILE reads, writes and closes through us, from when green threads begin. See glibc/stdio_slots.h.

namespace unblock::stdio {

void begin();

}  // namespace unblock::stdio
