// What a reader from outside may look at; see layout.h.
//
// All of it is read while the process runs on and nobody is stopped, so a reader takes a record twice: what it has read
// of a green thread holds together if GreenThread.wait_word and GreenThread.resumptions are afterwards what they were
// before. While the phase in that word is `parked`, the thread's stack and its context do not change either.

#include "shim/layout.h"

#include <stddef.h>
#include <unblock/unblock.h>

#include <iterator>

#include "scheduler/readiness.h"
#include "scheduler/roots.h"
#include "scheduler/switch.h"
#include "scheduler/ticks.h"
#include "shim/lifecycle.h"
#include "shim/thread.h"

namespace unblock {

// Where a pool has its objects: Pool.chunks_, a list; in each chunk Chunk.used slots, of which the `taken` ones count.
struct PoolLayout {
  template <class T>
  using Of = Pool<T>;
  using Threads = Pool<Thread>;
  using Carriers = Pool<Carrier>;
  using ThreadChunk = Threads::Chunk;
  using CarrierChunk = Carriers::Chunk;
  using ThreadSlot = Threads::Slot;
  using CarrierSlot = Carriers::Slot;
  static constexpr layout::Field chunks = {"Pool", "chunks", offsetof(Threads, chunks_), sizeof(Threads::chunks_)};
  static_assert(offsetof(Threads, chunks_) == offsetof(Carriers, chunks_));
};

namespace {

using layout::Field;
using layout::Value;

using ThreadChunk = PoolLayout::ThreadChunk;
using CarrierChunk = PoolLayout::CarrierChunk;
using ThreadSlot = PoolLayout::ThreadSlot;
using CarrierSlot = PoolLayout::CarrierSlot;
using TicksPoint = ticks::Point;
using TraceRing = trace::Ring;
using TraceSlot = trace::Slot;

#define RECORD(record) \
  { #record, "", 0, sizeof(record) }
#define FIELD(record, field) \
  { #record, #field, offsetof(record, field), sizeof(record::field) }

constexpr Field fields[] = {
    PoolLayout::chunks,
    RECORD(ThreadChunk),
    FIELD(ThreadChunk, next),
    FIELD(ThreadChunk, used),
    FIELD(ThreadChunk, slots),
    RECORD(ThreadSlot),
    FIELD(ThreadSlot, object),
    FIELD(ThreadSlot, taken),
    RECORD(CarrierChunk),
    FIELD(CarrierChunk, next),
    FIELD(CarrierChunk, used),
    FIELD(CarrierChunk, slots),
    RECORD(CarrierSlot),
    FIELD(CarrierSlot, object),
    FIELD(CarrierSlot, taken),

    RECORD(Thread),
    FIELD(Thread, green),
    FIELD(Thread, start),
    FIELD(Thread, argument),
    FIELD(Thread, c11_start),
    FIELD(Thread, life),
    FIELD(Thread, id),
    FIELD(Thread, creator),
    FIELD(Thread, tid),
    FIELD(Thread, name),
    FIELD(Thread, is_main),
    FIELD(Thread, stack_address),
    FIELD(Thread, stack_size),
    FIELD(Thread, guard_size),
    FIELD(Thread, mask),
    {"Thread", "pending", offsetof(Thread, pending), sizeof(SignalMask)},  // SignalQueue begins with it
    FIELD(Thread, creation_stack),
    FIELD(Thread, creation_depth),

    RECORD(GreenThread),
    FIELD(GreenThread, context),
    FIELD(GreenThread, thread_pointer),
    FIELD(GreenThread, local),
    FIELD(GreenThread, stack),
    FIELD(GreenThread, next),
    FIELD(GreenThread, wait_word),
    FIELD(GreenThread, carrier),
    FIELD(GreenThread, resumed_at),
    FIELD(GreenThread, waiting_since),
    FIELD(GreenThread, run_ticks),
    FIELD(GreenThread, resumptions),
    FIELD(GreenThread, waiting_for),
    FIELD(GreenThread, wait_kind),
    FIELD(GreenThread, bound),
    FIELD(GreenThread, bound_for_life),
    FIELD(GreenThread, detections),

    RECORD(Stack),
    FIELD(Stack, base),
    FIELD(Stack, size),
    FIELD(Stack, guard_size),

    RECORD(Local),
    FIELD(Local, green),
    FIELD(Local, carrier),
    FIELD(Local, critical),
    FIELD(Local, in_handler),
    FIELD(Local, pinned),

    RECORD(Carrier),
    FIELD(Carrier, processor),
    FIELD(Carrier, running),
    FIELD(Carrier, in_region),
    FIELD(Carrier, kernel_tid),
    FIELD(Carrier, statistics),

    RECORD(Processor),
    FIELD(Processor, owner),
    FIELD(Processor, waiting),
    FIELD(Processor, picks),
    FIELD(Processor, length),

    RECORD(Statistics),
    FIELD(Statistics, parks),
    FIELD(Statistics, switches),
    FIELD(Statistics, steals),
    FIELD(Statistics, regions),
    FIELD(Statistics, hand_offs),

    RECORD(ThreadTally),
    FIELD(ThreadTally, made),
    FIELD(ThreadTally, alive),
    FIELD(ThreadTally, peak),
    FIELD(ThreadTally, sampled_threads),
    FIELD(ThreadTally, sampled_bytes),

    RECORD(TraceRing),
    FIELD(TraceRing, written),
    FIELD(TraceRing, next),
    FIELD(TraceRing, kernel_tid),
    FIELD(TraceRing, slots),

    RECORD(TraceSlot),
    FIELD(TraceSlot, number),
    FIELD(TraceSlot, ticks),
    FIELD(TraceSlot, what),
    FIELD(TraceSlot, other),

    RECORD(TicksPoint),
    FIELD(TicksPoint, ticks),
    FIELD(TicksPoint, nanoseconds),
};

#undef FIELD
#undef RECORD

#define WAIT_KIND(kind) \
  { "WaitKind", #kind, (uint64_t)WaitKind::kind }

constexpr Value values[] = {
    WAIT_KIND(none),
    WAIT_KIND(descriptor),
    WAIT_KIND(poll),
    WAIT_KIND(mutex),
    WAIT_KIND(condition),
    WAIT_KIND(semaphore),
    WAIT_KIND(rwlock),
    WAIT_KIND(once),
    WAIT_KIND(barrier),
    WAIT_KIND(spin),
    WAIT_KIND(futex),
    WAIT_KIND(join),
    WAIT_KIND(sleep),
    WAIT_KIND(signal),
    WAIT_KIND(child),

    {"TraceEvent", "run", (uint64_t)trace::Event::run},
    {"TraceEvent", "wait", (uint64_t)trace::Event::wait},
    {"TraceEvent", "yield", (uint64_t)trace::Event::yield},
    {"TraceEvent", "end", (uint64_t)trace::Event::end},
    {"TraceEvent", "wake", (uint64_t)trace::Event::wake},
    {"TraceEvent", "hand_off", (uint64_t)trace::Event::hand_off},
    {"TraceRing", "slot_count", trace::Ring::slot_count},

    {"Direction", "in", (uint64_t)Direction::in},
    {"Direction", "out", (uint64_t)Direction::out},

    {"WaitWord", "phase_mask", WaitWord::phase_mask},
    {"WaitWord", "running", WaitWord::running},
    {"WaitWord", "armed", WaitWord::armed},
    {"WaitWord", "parked", WaitWord::parked},
    {"WaitWord", "ended", WaitWord::ended},
    {"WaitWord", "epoch_unit", WaitWord::epoch_unit},

    {"Life", "detached", (uint64_t)Life::detached},
    {"Life", "finished", (uint64_t)Life::finished},
    {"Life", "joined", (uint64_t)Life::joined},

    {"Phase", "quiet", (uint64_t)lifecycle::Phase::quiet},
    {"Phase", "active", (uint64_t)lifecycle::Phase::active},
    {"Phase", "native", (uint64_t)lifecycle::Phase::native},

    {"SavedFrame", "r12", SavedFrame::r12},
    {"SavedFrame", "r13", SavedFrame::r13},
    {"SavedFrame", "r14", SavedFrame::r14},
    {"SavedFrame", "r15", SavedFrame::r15},
    {"SavedFrame", "rbx", SavedFrame::rbx},
    {"SavedFrame", "rbp", SavedFrame::rbp},
    {"SavedFrame", "rip", SavedFrame::rip},
    {"SavedFrame", "rsp", SavedFrame::size},
};

#undef WAIT_KIND

constexpr unsigned root_count = 18;

// FNV-1a.
constexpr uint64_t hash(uint64_t so_far, uint64_t number) { return (so_far ^ number) * 0x100000001b3; }

constexpr uint64_t hash(uint64_t so_far, const char* text) {
  for (; *text != 0; ++text) so_far = hash(so_far, (uint64_t)(unsigned char)*text);
  return hash(so_far, uint64_t{0});
}

constexpr uint64_t fingerprint() {
  uint64_t result = 0xcbf29ce484222325;
  for (const Field& each : fields) {
    result = hash(hash(hash(hash(result, each.record), each.name), each.offset), each.size);
  }
  for (const Value& each : values) result = hash(hash(hash(result, each.record), each.name), each.value);
  return result;
}

// An aggregate that the compiler and the dynamic linker fill in: it is right before the first constructor runs.
struct Block {
  layout::Header header;
  layout::Root roots[root_count];
  Field fields[std::size(unblock::fields)];
  Value values[std::size(unblock::values)];
};

template <class T, size_t count>
constexpr void copy(T (&to)[count], const T (&from)[count]) {
  for (size_t i = 0; i < count; ++i) to[i] = from[i];
}

constexpr Block make_block(const Block* self) {
  Block block = {.header = {.magic = {},
                            .self = self,
                            .version = layout::version,
                            .size = sizeof(Block),
                            .library = UNBLOCK_VERSION_STRING,
                            .fingerprint = fingerprint(),
                            .roots_at = offsetof(Block, roots),
                            .root_count = root_count,
                            .fields_at = offsetof(Block, fields),
                            .field_count = std::size(unblock::fields),
                            .values_at = offsetof(Block, values),
                            .value_count = std::size(unblock::values)},
                 .roots = {{"phase", &lifecycle::phase},
                           {"native_reason", &lifecycle::reason},
                           {"threads", &threads},
                           {"first_thread", &first_of_all},
                           {"tally", &tally},
                           {"carriers", &carriers},
                           {"processors", &scheduler::processors},
                           {"processor_count", &scheduler::count_of_processors},
                           {"injected_now", &scheduler::injected_now},
                           {"hand_offs", &scheduler::count_of_hand_offs},
                           {"of_ended_carriers", &of_ended_carriers},
                           {"os_threads", &os_threads},
                           {"os_threads_most", &os_threads_most},
                           {"ticks_begin", &ticks::begin},
                           {"ticks_latest", &ticks::latest},
                           {"trace_until", &trace::until},
                           {"trace_rings", &trace::rings},
                           {"layout", self}},
                 .fields = {},
                 .values = {}};
  copy(block.header.magic, layout::magic);
  copy(block.fields, unblock::fields);
  copy(block.values, unblock::values);
  return block;
}

}  // namespace

// Not const: it has to lie where a core file looks, and where the command does.
extern "C" {
__attribute__((visibility("default"))) extern Block unblock_layout;
constinit Block unblock_layout = make_block(&unblock_layout);
}

}  // namespace unblock
