#include "tools/view/waits.h"

#include <poll.h>
#include <pthread.h>
#include <stddef.h>

#include "tools/view/symbols.h"
#include "tools/view/system_call.h"

namespace unblock::tools::view {
namespace {

constexpr size_t most_polled = 16;

std::string kind_of_mutex(int kind) {
  static constexpr const char* types[] = {"", "recursive", "error-checking", "adaptive"};
  std::string text = types[kind & 3];
  auto add = [&](const char* word) { text += (text.empty() ? "" : " ") + std::string(word); };
  if (kind & 16) add("robust");
  if (kind & 32) add("priority-inheriting");
  if (kind & 128) add("process-shared");
  return text;
}

std::string text_of(const Endpoints& ends) {
  if (ends.kind.empty()) return "";
  std::string text = " " + ends.kind;
  if (!ends.local.empty()) text += " " + ends.local;
  if (!ends.peer.empty()) text += " - " + ends.peer;
  return text;
}

std::string list_of(const std::vector<int>& descriptors) {
  constexpr size_t most = 4;
  std::string text;
  for (size_t i = 0; i < descriptors.size() && i < most; ++i)
    text += (i > 0 ? "," : "") + std::to_string(descriptors[i]);
  return text + (descriptors.size() > most ? ",…" : "");
}

}  // namespace

std::string Wait::text() const {
  if (kind.empty()) return "";
  std::string text = kind == "descriptor" && !direction.empty() ? direction
                     : kind == "system call"                    ? system_call
                                                                : kind;
  if (!object.empty()) text = object + " " + text;
  if (address != 0 && kind != "join" && kind != "poll") text += " " + hexadecimal(address);
  if (!descriptors.empty()) text += " fd " + list_of(descriptors) + text_of(endpoints);
  if (owner != 0 && kind == "join") return text + " " + std::to_string(owner);
  if (owner != 0) text += " of " + std::to_string(owner);
  if (owner_tid != 0) text += " of OS thread " + std::to_string(owner_tid);
  return text;
}

Waits::Waits(const Greens& greens, const std::vector<Green>& all)
    : greens_(greens), descriptors_(greens.target().pid()) {
  for (const Green& each : all) {
    id_of_tid_[each.tid] = each.id;
    id_of_record_[each.record] = each.id;
  }
}

void Waits::add_endpoints(Wait& wait) {
  if (wait.descriptors.size() == 1 && greens_.target().is_live()) wait.endpoints = descriptors_.of(wait.descriptors[0]);
}

// The number, and above 32 bits the direction.
void Waits::find_descriptor(const Green& green, Wait& wait) {
  uint64_t direction = green.waiting_for >> 32;
  wait.direction = direction == greens_.published().value("Direction", "in") ? "read" : "write";
  wait.descriptors = {(int)green.waiting_for};
  add_endpoints(wait);
}

// The address of pollfds, and above 48 bits how many there are.
void Waits::find_polled(const Green& green, Wait& wait) {
  uint64_t address = green.waiting_for & ((uint64_t{1} << 48) - 1), count = green.waiting_for >> 48;
  pollfd polled[most_polled];
  size_t bytes = std::min<uint64_t>(count, most_polled) * sizeof(pollfd);
  if (address == 0 || !greens_.target().memory().read_all(address, polled, bytes)) return;
  for (size_t i = 0; i < bytes / sizeof(pollfd); ++i) {
    if (polled[i].fd >= 0) wait.descriptors.push_back(polled[i].fd);
  }
  if (count == 1) add_endpoints(wait);
}

// glibc keeps the owner's tid in the object.
void Waits::find_owner(const Green& green, Wait& wait, uint64_t tid_offset) {
  auto tid = greens_.target().memory().value<int>(green.waiting_for + tid_offset);
  if (!tid || *tid == 0) return;
  auto owner = id_of_tid_.find(*tid);
  owner != id_of_tid_.end() ? (void)(wait.owner = owner->second) : (void)(wait.owner_tid = *tid);
}

// The address is that of the other thread's `life`.
void Waits::find_joined(const Green& green, Wait& wait) {
  auto joined = id_of_record_.find(green.waiting_for - greens_.published().field("Thread", "life").offset);
  if (joined != id_of_record_.end()) wait.owner = joined->second;
}

void Waits::find_system_call(const Green& green, Wait& wait) {
  if (!greens_.target().is_live() || green.kernel_tid == 0) return;
  std::optional<SystemCall> call = system_call_of(greens_.target().pid(), green.kernel_tid);
  if (!call) return;
  wait.kind = "system call";
  wait.system_call = call->name;
  if (call->descriptor < 0) return;
  wait.descriptors = {call->descriptor};
  add_endpoints(wait);
}

Wait Waits::of(const Green& green) {
  Wait wait;
  wait.kind = green.wait_kind;
  if (wait.kind.empty()) {
    if (green.is_on_carrier()) find_system_call(green, wait);
    return wait;
  }
  if (wait.kind == "descriptor") {
    find_descriptor(green, wait);
    return wait;
  }
  if (wait.kind == "poll") {
    find_polled(green, wait);
    return wait;
  }
  wait.address = green.waiting_for;
  if (wait.kind == "join") find_joined(green, wait);
  if (wait.kind == "mutex") {
    find_owner(green, wait, offsetof(pthread_mutex_t, __data.__owner));
    int kind =
        greens_.target().memory().value<int>(wait.address + offsetof(pthread_mutex_t, __data.__kind)).value_or(0);
    wait.object = kind_of_mutex(kind);
  }
  if (wait.kind == "rwlock") find_owner(green, wait, offsetof(pthread_rwlock_t, __data.__cur_writer));
  return wait;
}

}  // namespace unblock::tools::view
