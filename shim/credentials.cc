// The calls that change credentials of the whole process. libc asks each of its threads to follow, and finds the caller
// by the thread pointer: they run on the carrier's own block.

#include <errno.h>
#include <grp.h>
#include <unistd.h>

#include "shim/glibc/carrier_block.h"
#include "shim/host.h"
#include "shim/lifecycle.h"
#include "shim/real.h"

using namespace unblock;

namespace {

template <class Change>
int on_carrier_block(Change change) {
  if (!lifecycle::on_green()) return change();
  int result = 0;
  Critical critical;
  glibc::on_block(carrier_block_of_this_thread(), [&] { result = change(); });
  return result;
}

}  // namespace

INTERPOSED int setuid(uid_t user) noexcept {
  return on_carrier_block([&] { return real::setuid(user); });
}
INTERPOSED int setgid(gid_t group) noexcept {
  return on_carrier_block([&] { return real::setgid(group); });
}
INTERPOSED int seteuid(uid_t user) noexcept {
  return on_carrier_block([&] { return real::seteuid(user); });
}
INTERPOSED int setegid(gid_t group) noexcept {
  return on_carrier_block([&] { return real::setegid(group); });
}
INTERPOSED int setreuid(uid_t user, uid_t effective) noexcept {
  return on_carrier_block([&] { return real::setreuid(user, effective); });
}
INTERPOSED int setregid(gid_t group, gid_t effective) noexcept {
  return on_carrier_block([&] { return real::setregid(group, effective); });
}
INTERPOSED int setresuid(uid_t user, uid_t effective, uid_t saved) noexcept {
  return on_carrier_block([&] { return real::setresuid(user, effective, saved); });
}
INTERPOSED int setresgid(gid_t group, gid_t effective, gid_t saved) noexcept {
  return on_carrier_block([&] { return real::setresgid(group, effective, saved); });
}
INTERPOSED int setgroups(size_t count, const gid_t* groups) noexcept {
  return on_carrier_block([&] { return real::setgroups(count, groups); });
}

// initgroups(3), of its two parts: libc looks through its databases, and that may wait and belongs on the thread's own
// block; only the second part is the process's.
INTERPOSED int initgroups(const char* user, gid_t group) {
  if (!lifecycle::on_green()) return real::initgroups(user, group);
  int count = 0;
  getgrouplist(user, group, nullptr, &count);
  for (;;) {
    int room = count;
    auto groups = static_cast<gid_t*>(__builtin_alloca((size_t)room * sizeof(gid_t)));
    if (getgrouplist(user, group, groups, &count) < 0 && count > room) continue;  // they have become more
    int result = setgroups((size_t)count, groups);
    while (result != 0 && errno == EINVAL && --count > 0) result = setgroups((size_t)count, groups);  // past the limit
    return result;
  }
}
