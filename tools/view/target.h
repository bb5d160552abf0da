#pragma once
// What is looked at: a living process, or a core file.

#include <libelf.h>
#include <sys/user.h>

#include <memory>

#include "tools/view/memory.h"

namespace unblock::tools::view {

class Target {
 public:
  virtual ~Target() = default;

  virtual const Memory& memory() const = 0;
  // In the order of their addresses. A core's are what the core knows of.
  virtual const std::vector<Mapping>& mappings() const = 0;
  virtual bool is_live() const = 0;
  virtual int pid() const = 0;
  // "process 123" or "core file x", for lines to the operator.
  virtual std::string name() const = 0;

  // A core's file, for libdw; null for a process.
  virtual Elf* elf() const { return nullptr; }
  // A core's: those of each OS thread.
  virtual const std::vector<user_regs_struct>& registers() const;

  // A process: opens the file that is mapped at `address`, also where it has been replaced meanwhile or lies in another
  // mount namespace; −1: it cannot be told.
  virtual int open_mapped_file(uint64_t address) const { return (void)address, -1; }
  // A process: the number that an OS thread has here, of which itself knows the number `tid`.
  virtual int os_thread(int tid) const { return tid; }

  // Something could not be read: throws the Failure that says why, when that is not the target's own doing.
  virtual void explain_failed_read() const = 0;

  // The mapping that holds `address`, or null.
  const Mapping* mapping_of(uint64_t address) const;
};

// A living process. Throws Failure when there is none of this number or when it may not be looked at.
std::unique_ptr<Target> open_process(int pid);

// A core file, as the kernel or gdb's gcore writes it. Throws Failure when it is none or when a part is missing.
std::unique_ptr<Target> open_core(const std::string& path);

// The number of a process, as an operator writes it. Throws Failure when `word` is no number.
int pid_of(const std::string& word);

}  // namespace unblock::tools::view
