#include "tools/view/unwinder.h"

#include <string.h>

#include <algorithm>

#include "tools/view/failures.h"

namespace unblock::tools::view {
namespace {

constexpr int most_tries = 8;  // at a thread that moves meanwhile
constexpr const char* lack_of_stack =
    "its stack is not in the core file: gdb's gcore leaves it out, the one of unblock-gdb.py does not";
constexpr size_t most_frames = 1024;            // of one stack: the inner ones
constexpr size_t saved_stack_bytes = 16 << 10;  // read at once; what lies above is read as it is asked for

// x86-64's numbers in DWARF.
enum { dwarf_rbx = 3, dwarf_rbp = 6, dwarf_rsp = 7, dwarf_r12 = 12, dwarf_rip = 16, dwarf_count = 17 };

// The first frame of a green thread has no caller, and no unwinding information says so.
void drop_what_is_beyond_the_end(std::vector<Frame>& frames) {
  while (frames.size() > 1 && frames.back().place.module.empty()) frames.pop_back();
}

}  // namespace

// The thread that libdw asks about.
struct Unwinder::Current {
  const Memory* memory = nullptr;
  Snapshot snapshot;
  std::vector<Frame> frames;

  bool read(uint64_t address, Dwarf_Word* result) const {
    uint64_t begin = snapshot.registers.rsp, end = begin + snapshot.stack.size();
    if (address >= begin && address + sizeof *result <= end) {
      memcpy(result, &snapshot.stack[address - begin], sizeof *result);
      return true;
    }
    return memory->read_all(address, result, sizeof *result);
  }

  static Current& of(void* argument) { return *static_cast<Current*>(argument); }

  static pid_t next_thread(Dwfl*, void* argument, void** thread_argument) {
    bool is_first = *thread_argument == nullptr;
    *thread_argument = argument;
    return is_first ? 1 : 0;
  }

  static bool get_thread(Dwfl*, pid_t, void* argument, void** thread_argument) {
    *thread_argument = argument;
    return true;
  }

  static bool memory_read(Dwfl*, Dwarf_Addr address, Dwarf_Word* result, void* argument) {
    return of(argument).read(address, result);
  }

  static bool set_initial_registers(Dwfl_Thread* thread, void* argument) {
    const Snapshot& snapshot = of(argument).snapshot;
    const user_regs_struct& r = snapshot.registers;
    Dwarf_Word in_dwarf[dwarf_count] = {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8,
                                        r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip};
    dwfl_thread_state_register_pc(thread, r.rip);
    if (!snapshot.is_partial) return dwfl_thread_state_registers(thread, 0, dwarf_count, in_dwarf);
    return dwfl_thread_state_registers(thread, dwarf_rsp, 1, &in_dwarf[dwarf_rsp]) &&
           dwfl_thread_state_registers(thread, dwarf_rip, 1, &in_dwarf[dwarf_rip]);
  }

  static int take_frame(Dwfl_Frame* state, void* argument) {
    auto& frames = *static_cast<std::vector<Frame>*>(argument);
    Dwarf_Addr address;
    bool is_activation;
    if (!dwfl_frame_pc(state, &address, &is_activation)) return DWARF_CB_ABORT;
    frames.push_back({address, !is_activation, {}, false});
    return frames.size() < most_frames ? DWARF_CB_OK : DWARF_CB_ABORT;
  }

  static constexpr Dwfl_Thread_Callbacks callbacks = {
      .next_thread = next_thread,
      .get_thread = get_thread,
      .memory_read = memory_read,
      .set_initial_registers = set_initial_registers,
      .detach = nullptr,
      .thread_detach = nullptr,
  };
};

Unwinder::Unwinder(const Greens& greens, Symbols& symbols)
    : greens_(greens), symbols_(symbols), current_(std::make_shared<Current>()) {
  current_->memory = &greens.target().memory();
  Elf* core = greens.target().elf();
  // Any number that is not zero does for a core without one.
  if (!dwfl_attach_state(symbols.dwfl(), core, std::max(greens.target().pid(), 1), &Current::callbacks,
                         current_.get())) {
    fail(exit_own_failure, std::string("libdw: ") + dwfl_errmsg(-1));
  }
}

Snapshot Unwinder::snapshot_of(const Green& green) const {
  if (green.is_on_carrier()) return snapshot_of_running(greens_.target(), green);
  Snapshot snapshot;
  if (green.is_fresh()) {
    snapshot.refusal = "it has not begun yet";
  } else if (green.state == State::ended) {
    snapshot.refusal = "it has ended and waits to be joined";
  } else {
    const Greens::SavedFrame& saved = greens_.saved_frame();
    snapshot.stack.resize(saved_stack_bytes);
    const Memory& memory = greens_.target().memory();
    snapshot.stack.resize(memory.read(green.context, snapshot.stack.data(), saved_stack_bytes));
    auto word = [&](uint64_t offset) {
      uint64_t value = 0;
      if (offset + sizeof value <= snapshot.stack.size()) memcpy(&value, &snapshot.stack[offset], sizeof value);
      return value;
    };
    user_regs_struct& registers = snapshot.registers;
    registers.rbx = word(saved.rbx);
    registers.rbp = word(saved.rbp);
    registers.r12 = word(saved.r12);
    registers.r13 = word(saved.r13);
    registers.r14 = word(saved.r14);
    registers.r15 = word(saved.r15);
    registers.rip = word(saved.rip);
    registers.rsp = green.context + saved.rsp;
    // gdb gives up a mapping at its first guard page; the file then holds zeros for the rest.
    bool is_short = snapshot.stack.size() <= saved.rsp;
    if (is_short || registers.rip == 0) {
      snapshot.refusal = greens_.target().is_live() ? "its stack cannot be read" : lack_of_stack;
    }
    snapshot.stack.erase(snapshot.stack.begin(), snapshot.stack.begin() + (is_short ? 0 : (ptrdiff_t)saved.rsp));
  }
  return snapshot;
}

Stack Unwinder::unwind(Snapshot snapshot) {
  Stack stack;
  if (!snapshot.refusal.empty()) return {{}, std::move(snapshot.refusal)};
  current_->snapshot = std::move(snapshot);
  int error = dwfl_getthread_frames(symbols_.dwfl(), 1, Current::take_frame, &stack.frames);
  const char* why = error < 0 ? dwfl_errmsg(-1) : nullptr;
  stack.frames = with_places(stack.frames);
  drop_what_is_beyond_the_end(stack.frames);
  // The first frame of a green thread is ours, and libdw finds no end there.
  bool ends_early = error < 0 && (stack.frames.empty() || !is_library_frame(stack.frames.back()));
  if (ends_early) stack.remark = std::string("it ends here for want of unwinding information: ") + why;
  if (ends_early && current_->snapshot.is_partial)
    stack.remark = "the rest is not known without interrupting its system call";
  return stack;
}

Stack Unwinder::stack_of(Green& green) {
  Stack stack;
  for (int i = 0; i < most_tries; ++i) {
    stack = unwind(snapshot_of(green));
    if (!stack.remark.empty()) greens_.target().explain_failed_read();
    bool was_on_carrier = green.is_on_carrier();
    if (was_on_carrier ? stack.remark != "it has just left"
                       : !greens_.target().is_live() || greens_.stood_still(green)) {
      return stack;
    }
    std::optional<Green> again = greens_.read_again(green);
    if (!again) return {{}, "it has just ended"};
    green = *again;
  }
  return {{}, "it moves too fast"};
}

const std::vector<Place>& Unwinder::places_of(uint64_t address, bool is_return_address) {
  auto [found, is_new] = places_.try_emplace(2 * address + is_return_address);
  if (is_new) found->second = symbols_.places_of(address, is_return_address);
  return found->second;
}

std::vector<Frame> Unwinder::with_places(const std::vector<Frame>& frames) {
  std::vector<Frame> result;
  for (const Frame& each : frames) {
    const std::vector<Place>& places = places_of(each.address, each.is_return_address);
    for (const Place& place : places) {
      result.push_back({each.address, each.is_return_address, place, &place != &places.back()});
    }
  }
  return result;
}

std::vector<Frame> Unwinder::frames_of(const std::vector<uint64_t>& return_addresses) {
  std::vector<Frame> frames;
  for (uint64_t each : return_addresses) frames.push_back({each, true, {}, false});
  return with_places(frames);
}

bool is_library_frame(const Frame& frame) {
  const std::string& path = frame.place.module;
  return path.substr(path.rfind('/') + 1).starts_with("libunblock");
}

void trim(std::vector<Frame>& frames) {
  auto first = std::find_if_not(frames.begin(), frames.end(), is_library_frame);
  if (first == frames.end()) return;  // a thread that is wholly ours, or a file without symbols
  auto behind_last = std::find_if_not(frames.rbegin(), frames.rend(), is_library_frame).base();
  frames.erase(behind_last, frames.end());
  if (first != frames.begin()) frames.erase(frames.begin(), first - 1);
}

}  // namespace unblock::tools::view
