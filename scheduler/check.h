#pragma once
// UNBLOCK_CHECK: an invariant of ours, checked in every build. A wrong answer inside somebody else's program is worse
// than no answer, so a broken invariant says one line and stops the process.

#include "scheduler/kernel.h"

namespace unblock {
[[noreturn]] void invariant_broken(const char* what, const char* place);
}

#define UNBLOCK_STRINGIZE_(x) #x
#define UNBLOCK_STRINGIZE(x) UNBLOCK_STRINGIZE_(x)
#define UNBLOCK_CHECK(condition)      \
  (__builtin_expect(!!(condition), 1) \
       ? (void)0                      \
       : ::unblock::invariant_broken(#condition, __FILE__ ":" UNBLOCK_STRINGIZE(__LINE__)))
