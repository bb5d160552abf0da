#pragma once
// pthread_exit(3) from main. libc would unwind main's stack to the place from which it called main and then end the OS
// thread, which for us is a carrier and not main's. So the place to unwind to is replaced by one of ours.

namespace unblock::glibc {

// From here on, pthread_exit or a cancellation of the calling thread, which stands on the initial block, unwinds its
// stack as ever and then calls `end` instead of libc's own end. `end` never returns. Before libc has called main it does
// nothing; harmless when repeated.
void catch_exit_of_main(void (*end)());

}  // namespace unblock::glibc
