#pragma once
// fork(2) among green threads: see fork.cc.

namespace unblock {

// Four for each fork between the first process and this one: libc's own count, which pthread_once words carry.
int fork_generation();

// Registers our handlers, first of all, so that they run closest to the fork.
void prepare_for_forks();

}  // namespace unblock
