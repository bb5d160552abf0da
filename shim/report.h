#pragma once
// What the process did, for its operator and for tests.

#include <unblock/unblock.h>

namespace unblock::report {

// The counts of this moment.
unblock_counts counts();

// Prints what UNBLOCK_STATS asks for, once for each process.
void print_at_exit();

}  // namespace unblock::report
