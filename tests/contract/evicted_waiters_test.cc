// What becomes of a thread that waits on a number which another thread closes. POSIX leaves it open, and Linux lets the
// thread wait on for what it can no longer name. Under unblock it is told EBADF; so these tests run there only.
#include <gtest/gtest.h>
#include <poll.h>

#include <functional>

#include "attempt.h"
#include "connection.h"

namespace {

// What a call that waits on `number` answers after `evict` has run. It is EBADF also if the call comes late.
Outcome evicted(std::function<Outcome()> call, std::function<void()> evict) {
  Background waiter([&] { return call(); });
  evict();
  return waiter.answer();
}

class Evicted : public testing::TestWithParam<Kind> {
 protected:
  Outcome read_one() { return attempt(read, number, &byte, 1); }
  Connection ends = connection(GetParam());
  int number = ends.near;
  char byte;
};

INSTANTIATE_TEST_SUITE_P(Waiters, Evicted,
                         testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair, Kind::seqpacket,
                                         Kind::udp, Kind::unix_datagram, Kind::pipe),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Evicted, ReaderIsToldThatItsNumberIsClosed) {
  EXPECT_EQ(evicted([&] { return read_one(); }, [&] { ends.near.reset(); }), failed(EBADF));
}

TEST_P(Evicted, ReaderIsToldThoughACopyLivesOn) {
  Descriptor copy = dup(ends.near);
  EXPECT_EQ(evicted([&] { return read_one(); }, [&] { ends.near.reset(); }), failed(EBADF));
  send_text(ends.far, "kept");
  EXPECT_EQ(read_text(copy), "kept");
}

TEST_P(Evicted, CloseRangeEvictsToo) {
  EXPECT_EQ(evicted([&] { return read_one(); }, [&] { close_range(number, number, 0); }), failed(EBADF));
  ends.near.release();
}

TEST_P(Evicted, SeveralReadersAreAllTold) {
  Background second([&] { return attempt(read, number, &byte, 1); });
  EXPECT_EQ(evicted([&] { return read_one(); }, [&] { ends.near.reset(); }), failed(EBADF));
  EXPECT_EQ(second.answer(), failed(EBADF));
}

TEST_P(Evicted, ConnectionClosesWhenItsNumberIsClosedUnderAWaiter) {
  if (GetParam() == Kind::udp || GetParam() == Kind::unix_datagram) return;
  EXPECT_EQ(evicted([&] { return read_one(); }, [&] { ends.near.reset(); }), failed(EBADF));
  pollfd hung_up = {ends.far, POLLIN, 0};
  EXPECT_EQ(attempt(poll, &hung_up, 1, -1), done(1)) << "the peer learns of it, since no waiter keeps it open";
}

// The waiter has begun to wait, or its call could be one on the new description, which waits rightly.
TEST(Waiters, Dup2OverAWaiterEvictsIt) {
  Connection old = connection(Kind::tcp), fresh = connection(Kind::tcp);
  char byte;
  send_text(old.far, "x");
  Event first_read;
  Background waiter([&] {
    EXPECT_EQ(attempt(recv, old.near, &byte, 1, 0), done(1));
    first_read.happen();
    return attempt(recv, old.near, &byte, 1, 0);
  });
  first_read.wait();
  ASSERT_EQ(dup2(fresh.near, old.near), static_cast<int>(old.near));
  send_text(fresh.far, "y");
  Outcome outcome = waiter.answer();
  EXPECT_TRUE(outcome == failed(EBADF) || (outcome == done(1) && byte == 'y')) << outcome;
  if (outcome == failed(EBADF)) {
    EXPECT_EQ(read_text(fresh.near), "y");
  }
}

TEST(Waiters, AccepterIsToldThatItsListenerIsClosed) {
  for (int family : {AF_INET, AF_UNIX}) {
    Descriptor listening = listener(family);
    int number = listening;
    EXPECT_EQ(evicted([&] { return attempt(accept, number, nullptr, nullptr); }, [&] { listening.reset(); }),
              failed(EBADF));
  }
}

TEST(Waiters, WriterIsToldThatItsNumberIsClosed) {
  for (Kind kind : {Kind::unix_pair, Kind::pipe}) {
    Connection ends = connection(kind);
    int number = ends.far;
    ASSERT_EQ(fcntl(number, F_SETFL, O_NONBLOCK), 0);
    const std::string block = pattern(65536);
    for (int quiet = 0; quiet < 3; ++quiet) {
      while (write(number, block.data(), block.size()) > 0) quiet = 0;
    }
    ASSERT_EQ(fcntl(number, F_SETFL, 0), 0);
    EXPECT_EQ(evicted([&] { return attempt(write, number, block.data(), block.size()); }, [&] { ends.far.reset(); }),
              failed(EBADF))
        << name_of(kind);
  }
}

TEST(Waiters, NumberUsedAgainBelongsToWhoOpenedIt) {
  for (int i = 0; i < 200; ++i) {
    Connection old = connection(Kind::unix_pair);
    int number = old.near;
    char byte;
    EXPECT_EQ(evicted([&] { return attempt(read, number, &byte, 1); }, [&] { old.near.reset(); }), failed(EBADF));
    send_text(connection(Kind::unix_pair).far, "elsewhere");
    Connection fresh = connection(Kind::unix_pair);
    ASSERT_EQ(fresh.near, number);
    Background reader([&] { return read_text(number); });
    send_text(fresh.far, "fresh");
    EXPECT_EQ(reader.answer(), "fresh");
  }
}

}  // namespace
