#include "chat_room.h"

#include <sys/socket.h>

namespace {

constexpr size_t longest_queue = 4 << 20;
constexpr size_t cost_of_a_place = 64;            // Beside its bytes, so that small frames do not pile up for ever.
constexpr timeval patience_in_sending = {10, 0};  // A client that takes nothing for so long is gone.

}  // namespace

Member::Member(int descriptor) : stream_(descriptor) { stream_.set_patience_in_sending(patience_in_sending); }

void Member::say(const std::shared_ptr<const std::string>& frame) {
  std::lock_guard lock(mutex_);
  if (finished_) return;
  if (queued_bytes_ + frame->size() > longest_queue) return drop();
  queued_bytes_ += frame->size() + cost_of_a_place;
  queue_.push_back(frame);
  changed_.notify_one();
}

void Member::finish() {
  std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_one();
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
  changed_.wait(lock, [this] { return finished_ || !queue_.empty(); });
  if (queue_.empty()) return nullptr;
  std::shared_ptr<const std::string> frame = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= frame->size() + cost_of_a_place;
  return frame;
}

// Ends both threads' waits. The mutex is held.
void Member::drop() {
  finished_ = true;
  queue_.clear();
  queued_bytes_ = 0;
  stream_.shut_down(SHUT_RDWR);
  changed_.notify_one();
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
