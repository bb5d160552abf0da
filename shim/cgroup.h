#pragma once
// The CPU quota of the cgroup that this process is in, read with bare system calls. Thread-safe.

#include <limits.h>

namespace unblock::cgroup {

constexpr unsigned no_quota = UINT_MAX;

// How many processors the quotas of the process's cgroup and of all above it allow, rounded up; no_quota when none has
// one. Knows version 2 (cpu.max) and version 1 (cpu.cfs_quota_us), mounted the usual way under `mounts`. `membership`
// is the file in which the kernel tells a process where it belongs. What cannot be read limits nothing.
unsigned quota_processors(const char* membership = "/proc/self/cgroup", const char* mounts = "/sys/fs/cgroup");

}  // namespace unblock::cgroup
