// A living process. It is read through process_vm_readv(2) and /proc, which the kernel allows to whom it would allow
// ptrace(2). A pidfd tells whether the process that was opened is still the one of that number.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cinttypes>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include "tools/view/failures.h"
#include "tools/view/target.h"

namespace unblock::tools::view {
namespace {

class ProcessMemory : public Memory {
 public:
  explicit ProcessMemory(int pid) : pid_(pid) {}

  // The kernel stops at the first page that cannot be read, and may move less than was asked for.
  size_t read(uint64_t address, void* to, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      iovec here = {static_cast<char*>(to) + done, size - done};
      iovec there = {reinterpret_cast<void*>(address + done), size - done};
      ssize_t moved = process_vm_readv(pid_, &here, 1, &there, 1, 0);
      if (moved <= 0) break;
      done += moved;
    }
    return done;
  }

 private:
  int pid_;
};

std::string not_permitted(int pid) {
  std::string line = "process " + std::to_string(pid) + " may not be looked at: it ";
  std::ifstream yama("/proc/sys/kernel/yama/ptrace_scope");
  int scope = 0;
  if (yama >> scope && scope == 1) {
    return line + "is another user's, or not a child of this one (kernel.yama.ptrace_scope is 1); try as root";
  }
  if (scope == 2) return line + "takes the capability SYS_PTRACE (kernel.yama.ptrace_scope is 2); try as root";
  if (scope == 3) return line + "is forbidden to everybody until the next boot (kernel.yama.ptrace_scope is 3)";
  return line + "is another user's, or has more rights than you; try as root";
}

[[noreturn]] void fail_with(int pid, int error) {
  switch (error) {
    case ENOENT:
    case ESRCH: fail(exit_no_process, "there is no process " + std::to_string(pid));
    case EACCES:
    case EPERM: fail(exit_not_permitted, not_permitted(pid));
    default: fail(exit_own_failure, "process " + std::to_string(pid) + ": " + strerror(error));
  }
}

Mapping parse_mapping(const std::string& line) {
  Mapping mapping = {};
  char rights[8] = "";
  int path_at = 0;
  if (sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %*s %n", &mapping.begin, &mapping.end, rights,
             &mapping.file_offset, &path_at) < 4) {
    return {};
  }
  mapping.is_writable = rights[1] == 'w';
  if (path_at > 0) mapping.path = line.substr(path_at);
  return mapping;
}

class Process : public Target {
 public:
  explicit Process(int pid) : pid_(pid), memory_(pid) {
    descriptor_ = (int)syscall(SYS_pidfd_open, pid, 0);
    if (descriptor_ < 0 && errno != EINVAL) fail_with(pid, errno);  // EINVAL: a thread's number
    if (descriptor_ < 0) fail(exit_no_process, "there is no process " + std::to_string(pid));
    read_mappings();
    is_in_namespace_ = numbers_of("/proc/" + std::to_string(pid)).size() > 1;
  }
  ~Process() override { close(descriptor_); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const Memory& memory() const override { return memory_; }
  const std::vector<Mapping>& mappings() const override { return mappings_; }
  bool is_live() const override { return true; }
  int pid() const override { return pid_; }
  std::string name() const override { return "process " + std::to_string(pid_); }

  // The mapping itself leads to the file, if we may; otherwise its path, seen from the process's own root.
  int open_mapped_file(uint64_t address) const override {
    const Mapping* mapping = mapping_of(address);
    if (mapping == nullptr || !mapping->path.starts_with("/")) return -1;
    std::string process = "/proc/" + std::to_string(pid_);
    char range[64];
    snprintf(range, sizeof range, "/map_files/%" PRIx64 "-%" PRIx64, mapping->begin, mapping->end);
    int file = open((process + range).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) file = open((process + "/root" + mapping->path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (file < 0 || (fstat(file, &status) == 0 && S_ISREG(status.st_mode))) return file;
    close(file);  // a device
    return -1;
  }

  int os_thread(int tid) const override {
    auto known = os_threads_.find(tid);
    if (known == os_threads_.end() && is_in_namespace_) read_os_threads();
    known = os_threads_.find(tid);
    return known != os_threads_.end() ? known->second : tid;
  }

  void explain_failed_read() const override {
    pollfd ended = {descriptor_, POLLIN, 0};
    if (poll(&ended, 1, 0) == 1) fail(exit_ended, name() + " has ended meanwhile");
  }

 private:
  void read_mappings() {
    std::string path = "/proc/" + std::to_string(pid_) + "/maps";
    errno = 0;
    std::ifstream maps(path);
    if (!maps) fail_with(pid_, errno);
    for (std::string line; std::getline(maps, line);) mappings_.push_back(parse_mapping(line));
    if (mappings_.empty()) fail_without_memory();
  }

  // NSpid: its number here and in each namespace below, in whose last one it lives.
  static std::vector<int> numbers_of(const std::string& folder) {
    std::ifstream status(folder + "/status");
    std::vector<int> numbers;
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("NSpid:")) continue;
      std::istringstream words(line.substr(6));
      for (int number; words >> number;) numbers.push_back(number);
    }
    return numbers;
  }

  void read_os_threads() const {
    std::error_code ended;
    std::filesystem::directory_iterator tasks("/proc/" + std::to_string(pid_) + "/task", ended), end;
    for (; tasks != end; tasks.increment(ended)) {
      std::vector<int> numbers = numbers_of(tasks->path());
      if (!numbers.empty()) os_threads_[numbers.back()] = numbers.front();
    }
  }

  // A process that has ended and was not waited for, a kernel thread, or one whose rights were dropped.
  void fail_without_memory() {
    explain_failed_read();
    char byte;
    iovec here = {&byte, 1}, there = {&byte, 1};
    if (process_vm_readv(pid_, &here, 1, &there, 1, 0) < 0 && errno == EPERM) fail_with(pid_, errno);
    fail(exit_not_green, name() + " has no memory of its own: it is the kernel's");
  }

  int pid_;
  int descriptor_ = -1;
  ProcessMemory memory_;
  std::vector<Mapping> mappings_;
  bool is_in_namespace_ = false;                     // of process numbers, below ours
  mutable std::unordered_map<int, int> os_threads_;  // in such a one: the number here, by its own
};

}  // namespace

std::unique_ptr<Target> open_process(int pid) { return std::make_unique<Process>(pid); }

}  // namespace unblock::tools::view
