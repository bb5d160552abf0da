// Who is in the chat, and what is still to be sent to each.
//
// A member has two threads: one receives, one sends what is in his queue. So whoever says something only puts it into
// queues, and goes on. A full queue holds him up until there is room, but for a moment only: a member who makes none is
// dropped, once, and the others go on without him.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "stream.h"

class Member {
 public:
  explicit Member(int descriptor);

  // For the thread that receives.
  Stream& stream() { return stream_; }

  // Puts a frame into the queue; drops the member when it is full and stays full.
  void say(const std::shared_ptr<const std::string>& frame);
  void say(std::string frame) { say(std::make_shared<const std::string>(std::move(frame))); }

  // Nothing is said after this; send_queue() returns when it has sent the rest.
  void finish();

  // For the thread that sends: sends what is said until finish(), or until the client is gone.
  void send_queue();

 private:
  std::shared_ptr<const std::string> next_frame();
  void drop();

  Stream stream_;
  std::mutex mutex_;
  std::condition_variable filled_, emptied_;
  std::deque<std::shared_ptr<const std::string>> queue_;  // These three are guarded by mutex_.
  size_t queued_bytes_ = 0;
  bool finished_ = false;
};

// All members hear everything in the same order.
class Room {
 public:
  void enter(const std::shared_ptr<Member>& member);
  void leave(const std::shared_ptr<Member>& member);
  void say_to_all(std::string frame);

 private:
  std::mutex mutex_;
  std::set<std::shared_ptr<Member>> members_;  // Guarded by mutex_.
};
