#include "tools/view/system_call.h"

#include <sys/syscall.h>

#include <fstream>
#include <sstream>
#include <vector>

namespace unblock::tools::view {
namespace {

struct Name {
  long number;
  const char* name;
  bool has_descriptor;
};

#define ON_DESCRIPTOR(name) \
  { SYS_##name, #name, true }
#define OTHER(name) \
  { SYS_##name, #name, false }

// Those that may block.
constexpr Name names[] = {
    ON_DESCRIPTOR(read),
    ON_DESCRIPTOR(write),
    ON_DESCRIPTOR(pread64),
    ON_DESCRIPTOR(pwrite64),
    ON_DESCRIPTOR(readv),
    ON_DESCRIPTOR(writev),
    ON_DESCRIPTOR(preadv),
    ON_DESCRIPTOR(pwritev),
    ON_DESCRIPTOR(preadv2),
    ON_DESCRIPTOR(pwritev2),
    ON_DESCRIPTOR(recvfrom),
    ON_DESCRIPTOR(recvmsg),
    ON_DESCRIPTOR(recvmmsg),
    ON_DESCRIPTOR(sendto),
    ON_DESCRIPTOR(sendmsg),
    ON_DESCRIPTOR(sendmmsg),
    ON_DESCRIPTOR(accept),
    ON_DESCRIPTOR(accept4),
    ON_DESCRIPTOR(connect),
    ON_DESCRIPTOR(close),
    ON_DESCRIPTOR(fsync),
    ON_DESCRIPTOR(fdatasync),
    ON_DESCRIPTOR(sync_file_range),
    ON_DESCRIPTOR(flock),
    ON_DESCRIPTOR(fcntl),
    ON_DESCRIPTOR(ioctl),
    ON_DESCRIPTOR(ftruncate),
    ON_DESCRIPTOR(fallocate),
    ON_DESCRIPTOR(getdents64),
    ON_DESCRIPTOR(epoll_wait),
    ON_DESCRIPTOR(epoll_pwait),
    ON_DESCRIPTOR(epoll_pwait2),
    ON_DESCRIPTOR(splice),
    ON_DESCRIPTOR(tee),
    ON_DESCRIPTOR(vmsplice),
    ON_DESCRIPTOR(sendfile),
    ON_DESCRIPTOR(copy_file_range),
    ON_DESCRIPTOR(io_uring_enter),
    ON_DESCRIPTOR(shutdown),
    ON_DESCRIPTOR(fstat),
    OTHER(open),
    OTHER(openat),
    OTHER(stat),
    OTHER(newfstatat),
    OTHER(unlink),
    OTHER(rename),
    OTHER(mkdir),
    OTHER(poll),
    OTHER(ppoll),
    OTHER(select),
    OTHER(pselect6),
    OTHER(futex),
    OTHER(nanosleep),
    OTHER(clock_nanosleep),
    OTHER(wait4),
    OTHER(waitid),
    OTHER(pause),
    OTHER(rt_sigsuspend),
    OTHER(rt_sigtimedwait),
    OTHER(sync),
    OTHER(msync),
    OTHER(msgrcv),
    OTHER(msgsnd),
    OTHER(semop),
    OTHER(semtimedop),
    OTHER(mq_timedreceive),
    OTHER(mq_timedsend),
    OTHER(io_getevents),
    OTHER(vfork),
    OTHER(clone),
    OTHER(execve),
    OTHER(mmap),
    OTHER(munmap),
    OTHER(madvise),
    OTHER(mprotect),
    OTHER(sched_yield),
};

#undef ON_DESCRIPTOR
#undef OTHER

}  // namespace

// Number, six arguments, stack pointer and program counter; or "running"; or -1, stack pointer and program counter.
std::optional<SystemCall> system_call_of(int pid, int tid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/syscall");
  std::string line;
  if (!std::getline(file, line)) return {};
  std::istringstream stream(line);
  long number = -1;
  if (!(stream >> number) || number < 0) return {};
  std::vector<uint64_t> words;
  for (std::string word; stream >> word;) words.push_back(std::stoull(word, nullptr, 16));
  if (words.size() != 8) return {};
  SystemCall call = {"system call " + std::to_string(number), -1, words[6], words[7]};
  for (const Name& each : names) {
    if (each.number != number) continue;
    call.name = each.name;
    if (each.has_descriptor) call.descriptor = (int)words[0];
  }
  return call;
}

}  // namespace unblock::tools::view
