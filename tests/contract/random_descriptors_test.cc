// A seeded driver that opens, moves, fills and closes channels from several threads, so that numbers are used again
// while other threads wait. Each channel has a reader that checks that it gets every message of its own, in order, and
// none of another's.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/uio.h>

#include <memory>
#include <random>
#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

struct Record {
  uint64_t channel;
  uint64_t number;
};

using Random = std::mt19937_64;

size_t below(Random& random, size_t bound) { return random() % bound; }

// Reads one record by one of the calls that can. Returns false at the end of the stream.
bool receive(int fd, Record& record, Random& random) {
  char* bytes = reinterpret_cast<char*>(&record);
  size_t at = 0;
  while (at < sizeof record) {
    iovec piece = {bytes + at, sizeof record - at};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    pollfd readable = {fd, POLLIN, 0};
    ssize_t count = 0;
    switch (below(random, 5)) {
      case 0: count = read(fd, piece.iov_base, piece.iov_len); break;
      case 1: count = recv(fd, piece.iov_base, piece.iov_len, MSG_WAITALL); break;
      case 2: count = readv(fd, &piece, 1); break;
      case 3: count = recvmsg(fd, &message, 0); break;
      case 4: count = poll(&readable, 1, -1) == 1 ? read(fd, piece.iov_base, piece.iov_len) : -1; break;
    }
    if (count == 0) return false;
    at += checked(count, "receive");
  }
  return true;
}

void send_record(int fd, Record record, Random& random) {
  iovec piece = {&record, sizeof record};
  ssize_t count = 0;
  switch (below(random, 3)) {
    case 0: count = write(fd, &record, sizeof record); break;
    case 1: count = send(fd, &record, sizeof record, 0); break;
    case 2: count = writev(fd, &piece, 1); break;
  }
  if (count != sizeof record) checked(-1, "send");
}

// Gives a descriptor another number; the old one is free for others at once.
void move(Descriptor& fd, Random& random) {
  if (below(random, 2)) {
    fd = Descriptor(checked(dup(fd), "dup"));
    return;
  }
  Descriptor target = checked(open("/dev/null", O_RDONLY), "open");
  checked(dup2(fd, target), "dup2");
  fd = std::move(target);
}

class Channel {
 public:
  Channel(uint64_t id, Kind kind, uint64_t seed)
      : id_(id), ends_(connection(kind)), reader_([this, seed] { read_to_the_end(Random(seed)); }) {}
  ~Channel() {
    ends_.far.reset();
    reader_.join();
    EXPECT_EQ(received_, sent_) << "channel " << id_;
  }
  void send(Random& random) { send_record(ends_.far, {id_, sent_++}, random); }
  void move_sender(Random& random) { move(ends_.far, random); }

 private:
  void read_to_the_end(Random random) {
    Record record;
    while (receive(ends_.near, record, random)) {
      if (record.channel != id_ || record.number != received_++) {
        ADD_FAILURE() << "channel " << id_ << " got " << record.channel << ":" << record.number;
      }
      if (below(random, 4) == 0) move(ends_.near, random);
    }
    ends_.near.reset();
  }
  const uint64_t id_;
  uint64_t sent_ = 0, received_ = 0;
  Connection ends_;
  std::thread reader_;
};

class Driver {
 public:
  explicit Driver(uint64_t seed) : seed_(seed) {
    for (auto& slot : slots_) slot.channel = fresh();
  }
  void run(int threads, int operations) {
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i) {
      running.emplace_back([this, i, each = operations / threads] { drive(Random(seed_ * 1000 + i), each); });
    }
    for (auto& thread : running) thread.join();
    for (auto& slot : slots_) slot.channel.reset();
  }

 private:
  struct Slot {
    std::mutex mutex;
    std::unique_ptr<Channel> channel;
  };
  std::unique_ptr<Channel> fresh() {
    uint64_t id = next_++;
    static constexpr Kind kinds[] = {Kind::tcp, Kind::unix_pair, Kind::unix_named, Kind::seqpacket};
    return std::make_unique<Channel>(id, kinds[id % std::size(kinds)], seed_ ^ id << 20);
  }
  void drive(Random random, int operations) {
    for (int i = 0; i < operations; ++i) {
      Slot& slot = slots_[below(random, std::size(slots_))];
      std::lock_guard lock(slot.mutex);
      size_t choice = below(random, 20);
      if (choice == 0) {
        slot.channel.reset();
        slot.channel = fresh();
      } else if (choice < 5) {
        slot.channel->move_sender(random);
      } else {
        slot.channel->send(random);
      }
    }
  }
  const uint64_t seed_;
  std::atomic<uint64_t> next_ = 0;
  Slot slots_[24];
};

class RandomDescriptors : public testing::TestWithParam<uint64_t> {};

INSTANTIATE_TEST_SUITE_P(Seed, RandomDescriptors, testing::Values(1, 2, 3));

TEST_P(RandomDescriptors, NoMessageIsLostOrReachesAnotherChannel) { Driver(GetParam()).run(4, 20000); }

}  // namespace
