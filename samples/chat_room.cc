#include "chat_room.h"

#include <sys/socket.h>

#include <chrono>

namespace {

constexpr size_t longest_queue = 4 << 20;
constexpr size_t cost_of_a_place = 64;  // Beside its bytes, so that small frames do not pile up for ever.
constexpr std::chrono::seconds patience_with_full_queue(2);
constexpr timeval patience_in_sending = {10, 0};  // A client that takes nothing for so long is gone.

}  // namespace

Member::Member(int descriptor) : stream_(descriptor) { stream_.set_patience_in_sending(patience_in_sending); }

void Member::say(const std::shared_ptr<const std::string>& frame) {
  std::unique_lock lock(mutex_);
  auto has_room = [&] { return finished_ || queued_bytes_ + frame->size() <= longest_queue; };
  if (!emptied_.wait_for(lock, patience_with_full_queue, has_room)) return drop();
  if (finished_) return;
  queued_bytes_ += frame->size() + cost_of_a_place;
  queue_.push_back(frame);
  filled_.notify_one();
}

void Member::finish() {
  std::lock_guard lock(mutex_);
  finished_ = true;
  filled_.notify_one();
}

void Member::send_queue() {
  while (std::shared_ptr<const std::string> frame = next_frame()) {
    if (stream_.send_all(*frame)) continue;
    std::lock_guard lock(mutex_);
    return drop();
  }
  stream_.shut_down(SHUT_WR);
}

std::shared_ptr<const std::string> Member::next_frame() {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [this] { return finished_ || !queue_.empty(); });
  if (queue_.empty()) return nullptr;
  std::shared_ptr<const std::string> frame = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= frame->size() + cost_of_a_place;
  emptied_.notify_all();
  return frame;
}

// Ends every wait for this member. The mutex is held.
void Member::drop() {
  finished_ = true;
  queue_.clear();
  queued_bytes_ = 0;
  stream_.shut_down(SHUT_RDWR);
  filled_.notify_one();
  emptied_.notify_all();
}

void Room::enter(const std::shared_ptr<Member>& member) {
  std::lock_guard lock(mutex_);
  members_.insert(member);
}

void Room::leave(const std::shared_ptr<Member>& member) {
  std::lock_guard lock(mutex_);
  members_.erase(member);
}

void Room::say_to_all(std::string frame) {
  auto shared = std::make_shared<const std::string>(std::move(frame));
  std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Member>& member : members_) member->say(shared);
}
