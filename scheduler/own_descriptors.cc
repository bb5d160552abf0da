#include "scheduler/own_descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "scheduler/descriptor_table.h"
#include "scheduler/readiness.h"

namespace unblock::own_descriptors {
namespace {

DescriptorTable<std::atomic<bool>> ours;
std::atomic<int> count;
std::atomic<int> lowest{INT32_MAX}, highest{-1};  // of all that there ever were

// Below the event loop's, with room for thousands; see there why not simply at the limit.
int first_number() {
  constexpr rlim_t highest_sensible = 65'536, room = 4096;
  rlimit limit = {};
  kernel::invoke(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  if (limit.rlim_cur > highest_sensible) limit.rlim_cur = highest_sensible;
  return (int)(limit.rlim_cur > 2 * room ? limit.rlim_cur - room : limit.rlim_cur / 2);
}

}  // namespace

int adopt(int fd) {
  if (fd < 0) return fd;
  long moved = kernel::invoke(SYS_fcntl, fd, F_DUPFD_CLOEXEC, first_number());
  if (moved >= 0) {
    kernel::invoke(SYS_close, fd);
    fd = (int)moved;
  }
  std::atomic<bool>* entry = ours.at(fd);
  if (entry == nullptr) return fd;
  entry->store(true, std::memory_order_seq_cst);
  count.fetch_add(1);
  int seen = lowest.load();
  while (fd < seen && !lowest.compare_exchange_weak(seen, fd)) continue;
  seen = highest.load();
  while (fd > seen && !highest.compare_exchange_weak(seen, fd)) continue;
  open_descriptor(fd, true);
  return fd;
}

void give_back(int fd) {
  std::atomic<bool>* entry = ours.existing(fd);
  if (entry == nullptr || !entry->exchange(false)) return;
  count.fetch_sub(1);
  close_descriptor(fd, true);
  kernel::invoke(SYS_close, fd);
}

void surrender(int fd) {
  std::atomic<bool>* entry = ours.existing(fd);
  if (entry == nullptr || !entry->exchange(false)) return;
  count.fetch_sub(1);
  close_descriptor(fd, true);
}

bool owns(int fd) {
  if (__builtin_expect(count.load(std::memory_order_relaxed) == 0, 1)) return false;
  std::atomic<bool>* entry = ours.existing(fd);
  return entry != nullptr && entry->load(std::memory_order_seq_cst);
}

unsigned first_owned(unsigned first, unsigned last) {
  if (count.load(std::memory_order_relaxed) == 0) return last + 1;
  unsigned from = (unsigned)lowest.load(), to = (unsigned)highest.load();
  for (unsigned fd = from > first ? from : first; fd <= to && fd <= last; ++fd) {
    if (owns((int)fd)) return fd;
  }
  return last + 1;
}

void close_inherited() {
  for (int fd = lowest.load(); fd <= highest.load(); ++fd) {
    std::atomic<bool>* entry = ours.existing(fd);
    if (entry != nullptr && entry->exchange(false)) kernel::invoke(SYS_close, fd);
  }
  count.store(0);
}

}  // namespace unblock::own_descriptors
