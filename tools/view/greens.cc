#include "tools/view/greens.h"

#include <string.h>

#include <algorithm>

#include "tools/view/failures.h"

namespace unblock::tools::view {
namespace {

constexpr int most_copies = 16;          // of a record that moves whenever it is looked at
constexpr size_t most_chunks = 1 << 20;  // of a pool whose list leads in circles
constexpr uint32_t most_creation_depth = 256;

}  // namespace

const char* name_of(State state) {
  switch (state) {
    case State::running: return "running";
    case State::blocked: return "blocked";
    case State::runnable: return "runnable";
    case State::waiting: return "waiting";
    case State::ended: return "ended";
  }
  return "?";
}

Greens::ThreadFields::ThreadFields(const Published& published) {
  auto thread = [&](const char* name) { return published.field("Thread", name); };
  green = thread("green");
  auto in_green = [&](const char* name) { return published.field("GreenThread", name, green); };
  id = thread("id");
  creator = thread("creator");
  tid = thread("tid");
  name = thread("name");
  is_main = thread("is_main");
  start = thread("start");
  c11_start = thread("c11_start");
  life = thread("life");
  stack_address = thread("stack_address");
  stack_size = thread("stack_size");
  creation_stack = thread("creation_stack");
  creation_depth = thread("creation_depth");
  context = in_green("context");
  thread_pointer = in_green("thread_pointer");
  wait_word = in_green("wait_word");
  carrier = in_green("carrier");
  resumed_at = in_green("resumed_at");
  waiting_since = in_green("waiting_since");
  run_ticks = in_green("run_ticks");
  resumptions = in_green("resumptions");
  waiting_for = in_green("waiting_for");
  wait_kind = in_green("wait_kind");
  bound = in_green("bound");
  size = published.size_of("Thread");
}

Greens::Greens(const Target& target)
    : target_(target), published_(target), fields_(published_), clock_(target, published_) {
  auto offset = [&](const char* name) { return published_.value("SavedFrame", name); };
  saved_frame_ = {offset("r12"), offset("r13"), offset("r14"), offset("r15"),
                  offset("rbx"), offset("rbp"), offset("rip"), offset("rsp")};
  for (uint64_t kind = 0; kind < 256; ++kind) wait_kinds_.push_back(published_.name_of("WaitKind", kind));
  wait_kinds_[published_.value("WaitKind", "none")].clear();
}

Phase Greens::phase() const {
  uint64_t phase = number_at(published_.root("phase"), {0, sizeof(int)});
  if (phase == published_.value("Phase", "active")) return Phase::active;
  return phase == published_.value("Phase", "native") ? Phase::native : Phase::quiet;
}

std::string Greens::native_reason() const {
  return target_.memory().text(number_at(published_.root("native_reason"), {0, sizeof(void*)}));
}

void Greens::demand_active() const {
  switch (phase()) {
    case Phase::active: return;
    case Phase::quiet:
      fail(exit_not_green, target_.name() + " has unblock, but no green threads: it has made no second thread yet");
    case Phase::native: fail(exit_not_green, target_.name() + " has native threads: " + native_reason());
  }
}

uint64_t Greens::number_at(uint64_t address, Field field) const {
  std::vector<char> bytes = bytes_at(address + field.offset, field.size);
  return Field{0, field.size}.of(bytes.data());
}

std::vector<char> Greens::bytes_at(uint64_t address, size_t size) const {
  std::vector<char> bytes(size);
  if (!target_.memory().read_all(address, bytes.data(), size)) {
    target_.explain_failed_read();
    fail(exit_damaged, target_.name() + ": what unblock has published of it leads nowhere");
  }
  return bytes;
}

// Calls visit(address, bytes) for each object in use. `twice`: visit(address, bytes, the same read a second time).
template <class Visit>
void Greens::for_each_slot(const char* pool, const char* kind, bool twice, Visit visit) const {
  std::string chunk_name = std::string(kind) + "Chunk", slot_name = std::string(kind) + "Slot";
  Field next = published_.field(chunk_name, "next"), used = published_.field(chunk_name, "used");
  Field slots = published_.field(chunk_name, "slots"), object = published_.field(slot_name, "object");
  Field taken = published_.field(slot_name, "taken");
  size_t slot_size = published_.size_of(slot_name);
  if (!published_.fits(object, slot_size) || object.size < published_.size_of(kind)) published_.is_damaged();
  uint64_t chunk = number_at(published_.root(pool), published_.field("Pool", "chunks"));
  std::vector<char> bytes, again;
  for (size_t i = 0; chunk != 0 && i < most_chunks; ++i, chunk = number_at(chunk, next)) {
    size_t count = std::min<uint64_t>(number_at(chunk, used), slots.size / slot_size);
    bytes.resize(count * slot_size);
    again.resize(twice ? bytes.size() : 0);
    for (auto* copy : {&bytes, &again}) {
      if (target_.memory().read_all(chunk + slots.offset, copy->data(), copy->size())) continue;
      target_.explain_failed_read();
      fail(exit_damaged, target_.name() + ": the records of its threads cannot be read");
    }
    for (size_t at = 0; at < bytes.size(); at += slot_size) {
      if (taken.of(&bytes[at]) == 0) continue;
      visit(chunk + slots.offset + at + object.offset, &bytes[at + object.offset],
            twice ? &again[at + object.offset] : nullptr);
    }
  }
}

std::vector<CarrierState> Greens::read_carriers() const {
  auto field = [&](const char* name) { return published_.field("Carrier", name); };
  Field tid = field("kernel_tid"), running = field("running"), processor = field("processor");
  Field in_region = field("in_region");
  uint64_t first = number_at(published_.root("processors"), {0, sizeof(void*)});
  uint64_t size = published_.size_of("Processor");
  std::vector<CarrierState> result;
  for_each_slot("carriers", "Carrier", false, [&](uint64_t address, char* bytes, const char*) {
    CarrierState carrier = {address, target_.os_thread((int)tid.of(bytes)), running.of(bytes), -1,
                            in_region.of(bytes) != 0};
    if (uint64_t held = processor.of(bytes); held >= first && size != 0)
      carrier.processor = (int)((held - first) / size);
    result.push_back(carrier);
  });
  return result;
}

Greens::Carriers Greens::carriers_by_address() const {
  Carriers result;
  for (const CarrierState& each : read_carriers()) result[each.record] = each;
  return result;
}

State Greens::state_of(const char* bytes, const CarrierState* carrier) const {
  if (fields_.life.of(bytes) & published_.value("Life", "finished")) return State::ended;
  if (carrier != nullptr) return carrier->in_region ? State::blocked : State::running;
  uint64_t phase = fields_.wait_word.of(bytes) & published_.value("WaitWord", "phase_mask");
  bool waits = phase == published_.value("WaitWord", "parked") || phase == published_.value("WaitWord", "armed");
  return waits ? State::waiting : State::runnable;
}

Green Greens::parse(uint64_t record, const char* bytes, const Carriers& carriers, const Clock& clock) const {
  Green green;
  green.record = record;
  green.id = fields_.id.of(bytes);
  green.creator = fields_.creator.of(bytes);
  green.tid = (int)fields_.tid.of(bytes);
  green.name = fields_.name.text_of(bytes);
  green.is_main = fields_.is_main.of(bytes) != 0;
  green.pthread = fields_.thread_pointer.of(bytes);
  green.start = fields_.c11_start.of(bytes) != 0 ? fields_.c11_start.of(bytes) : fields_.start.of(bytes);
  green.stack_low = fields_.stack_address.of(bytes);
  green.stack_high = green.stack_low + fields_.stack_size.of(bytes);
  green.context = fields_.context.of(bytes);
  green.wait_word = fields_.wait_word.of(bytes);
  green.resumptions = fields_.resumptions.of(bytes);
  green.is_bound = fields_.bound.of(bytes) != 0;
  auto carrier = carriers.find(fields_.carrier.of(bytes));
  // A carrier that began after the carriers were read is on no list; the thread runs nevertheless.
  CarrierState unknown;
  bool on_carrier = fields_.carrier.of(bytes) != 0;
  const CarrierState* on = carrier != carriers.end() ? &carrier->second : on_carrier ? &unknown : nullptr;
  green.state = state_of(bytes, on);
  if (green.is_on_carrier()) {
    green.kernel_tid = on->kernel_tid;
    green.processor = on->processor;
  }
  bool waits = green.state == State::waiting || green.is_on_carrier();
  if (waits) green.wait_kind = wait_kinds_[fields_.wait_kind.of(bytes) & 0xff];
  if (!green.wait_kind.empty()) green.waiting_for = fields_.waiting_for.of(bytes);
  uint64_t resumed_at = fields_.resumed_at.of(bytes), waiting_since = fields_.waiting_since.of(bytes);
  bool runs = green.is_on_carrier() && green.wait_kind.empty();
  if (uint64_t from = runs ? resumed_at : waiting_since; from != 0) green.since = clock.since(from);
  uint64_t running_ticks = green.is_on_carrier() && clock.now() > resumed_at ? clock.now() - resumed_at : 0;
  green.run_time = clock.nanoseconds(fields_.run_ticks.of(bytes) + running_ticks);
  return green;
}

void Greens::read_creation_stack(Green& green, const char* bytes) const {
  uint64_t at = fields_.creation_stack.of(bytes), depth = fields_.creation_depth.of(bytes);
  if (at == 0 || depth == 0 || depth > most_creation_depth) return;
  green.creation_stack.resize(depth);
  if (!target_.memory().read_all(at, green.creation_stack.data(), depth * sizeof(uint64_t)))
    green.creation_stack.clear();
}

bool Greens::copy_steadily(uint64_t record, char* bytes) const {
  std::vector<char> before(fields_.size);
  for (int i = 0; i < most_copies; ++i) {
    if (!target_.memory().read_all(record, bytes, fields_.size)) return false;
    if (i > 0 && memcmp(bytes, before.data(), fields_.size) == 0) return true;
    memcpy(before.data(), bytes, fields_.size);
  }
  return false;
}

// A core's present is the latest reading that any of its threads has.
Clock Greens::clock_at_present() const {
  Clock clock = clock_;
  clock.look();
  if (target_.is_live()) return clock;
  for_each_slot("threads", "Thread", false, [&](uint64_t, char* bytes, const char*) {
    clock.note_seen(std::max(fields_.resumed_at.of(bytes), fields_.waiting_since.of(bytes)));
  });
  return clock;
}

std::vector<Green> Greens::read() const {
  Clock clock = clock_at_present();
  Carriers carriers = carriers_by_address();
  std::vector<Green> result;
  for_each_slot("threads", "Thread", true, [&](uint64_t record, char* bytes, const char* again) {
    bool is_consistent = memcmp(bytes, again, fields_.size) == 0 || copy_steadily(record, bytes);
    // One that is just being made or taken apart has no number or no block.
    if (fields_.id.of(bytes) == 0 || fields_.thread_pointer.of(bytes) == 0) return;
    clock.look();  // a busy thread has changed since the first of many was read
    Green green = parse(record, bytes, carriers, clock);
    green.is_consistent = is_consistent;
    read_creation_stack(green, bytes);
    result.push_back(std::move(green));
  });
  std::sort(result.begin(), result.end(), [](const Green& a, const Green& b) { return a.id < b.id; });
  return result;
}

std::optional<Green> Greens::read_again(const Green& green) const {
  std::vector<char> bytes(fields_.size);
  bool is_consistent = copy_steadily(green.record, bytes.data());
  if (fields_.id.of(bytes.data()) != green.id) return {};
  Green result = parse(green.record, bytes.data(), carriers_by_address(), clock_at_present());
  result.is_consistent = is_consistent;
  read_creation_stack(result, bytes.data());
  return result;
}

bool Greens::stood_still(const Green& green) const {
  auto number = [&](Field field) { return number_at(green.record, field); };
  return number(fields_.id) == green.id && number(fields_.wait_word) == green.wait_word &&
         number(fields_.resumptions) == green.resumptions && number(fields_.carrier) == 0;
}

}  // namespace unblock::tools::view
