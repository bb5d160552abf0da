#pragma once
// The green threads of a target, as they were at a moment: each one's fields belong together, even though the target
// runs on and different threads were read at different moments.

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/view/clock.h"

namespace unblock::tools::view {

enum class State {
  running,   // on a carrier, computing or in the kernel
  blocked,   // on a carrier, which a blocking region or a wait in place holds
  runnable,  // in a queue
  waiting,   // parked: without a carrier
  ended      // has returned and waits to be joined
};

const char* name_of(State state);

struct Green {
  uint64_t record = 0;  // the address of its Thread
  uint64_t id = 0, creator = 0;
  int tid = 0;  // what gettid(2) tells it
  std::string name;
  bool is_main = false;
  State state = State::ended;
  bool is_consistent = false;  // false: it moved whenever it was looked at, and its fields are of several moments

  uint64_t pthread = 0;
  uint64_t start = 0;      // its start routine; 0: main
  uint64_t stack_low = 0;  // usable part of its stack; 0: the process's own
  uint64_t stack_high = 0;
  uint64_t context = 0;  // where its registers are saved while it is on no carrier
  uint64_t wait_word = 0, resumptions = 0;

  std::string wait_kind;     // in the library's words; empty: it waits for nothing
  uint64_t waiting_for = 0;  // an address or a descriptor, as the kind has it
  // For how long it has been waiting, or running: nanoseconds.
  std::optional<double> since;
  std::optional<double> run_time;  // all of its time on carriers, waits in place included

  int kernel_tid = 0;  // of the carrier that it is on; 0: none
  int processor = -1;  // that this carrier holds
  bool is_bound = false;
  std::vector<uint64_t> creation_stack;  // return addresses, innermost first

  bool is_on_carrier() const { return state == State::running || state == State::blocked; }
  // Has never run: its context is not one that it has saved.
  bool is_fresh() const { return state == State::runnable && resumptions == 0 && !is_main; }
};

struct CarrierState {
  uint64_t record = 0;
  int kernel_tid = 0;
  uint64_t running = 0;  // the GreenThread on it
  int processor = -1;
  bool in_region = false;
};

enum class Phase { quiet, active, native };

class Greens {
 public:
  // Reads nothing yet but the layout. Throws Failure as Published does.
  explicit Greens(const Target& target);

  Phase phase() const;
  // Why threads are native.
  std::string native_reason() const;
  // Throws Failure unless threads are green.
  void demand_active() const;

  // In order of their ids. Throws Failure when the target ends meanwhile or its records make no sense.
  std::vector<Green> read() const;
  std::vector<CarrierState> read_carriers() const;

  // Reads this one again. None: it is no more.
  std::optional<Green> read_again(const Green& green) const;
  // Has it stood still since it was read?
  bool stood_still(const Green& green) const;

  // A field of the record at `address`, and bytes of the target. Throw Failure when they cannot be read.
  uint64_t number_at(uint64_t address, Field field) const;
  std::vector<char> bytes_at(uint64_t address, size_t size) const;

  const Target& target() const { return target_; }
  const Published& published() const { return published_; }

  // Where the saved registers of a thread on no carrier are: offsets from Green::context.
  struct SavedFrame {
    uint64_t r12, r13, r14, r15, rbx, rbp, rip, rsp;  // rsp: its value is the context plus this
  };
  const SavedFrame& saved_frame() const { return saved_frame_; }

 private:
  struct ThreadFields {
    explicit ThreadFields(const Published& published);
    Field green, id, creator, tid, name, is_main, start, c11_start, life, stack_address, stack_size, creation_stack,
        creation_depth, context, thread_pointer, wait_word, carrier, resumed_at, waiting_since, run_ticks, resumptions,
        waiting_for, wait_kind, bound;
    uint32_t size;
  };
  using Carriers = std::unordered_map<uint64_t, CarrierState>;

  Green parse(uint64_t record, const char* bytes, const Carriers& carriers, const Clock& clock) const;
  Clock clock_at_present() const;
  State state_of(const char* bytes, const CarrierState* carrier) const;
  // Copies the record until two copies in a row are the same; false: they never were, and the last one stands.
  bool copy_steadily(uint64_t record, char* bytes) const;
  Carriers carriers_by_address() const;
  void read_creation_stack(Green& green, const char* bytes) const;

  template <class Visit>
  void for_each_slot(const char* pool, const char* kind, bool twice, Visit visit) const;

  const Target& target_;
  Published published_;
  ThreadFields fields_;
  SavedFrame saved_frame_;
  Clock clock_;
  std::vector<std::string> wait_kinds_;
};

}  // namespace unblock::tools::view
