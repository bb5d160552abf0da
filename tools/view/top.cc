#include "tools/view/top.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "tools/view/failures.h"
#include "tools/view/options.h"
#include "tools/view/terminal.h"
#include "tools/view/top_page.h"

namespace unblock::tools::view {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

std::string help_text() {
  return std::string(R"(Usage: unblock top [OPTION…] PID

Shows what the green threads of process PID do: how many there are and in which
state, run queues, memory, parks by kind, hand-offs, hogs (threads that compute
for more than 50 ms without waiting), and the busiest threads. The process is
only read from: it is not stopped and does not notice.

Options:
  --interval SEC   time between pages, 0.1 to 3600 (default: 1)
  --batch N        print N pages to standard output, without a terminal
  --sort KEY       order of the threads: )") +
         order_help + R"(
  --no-color       no colours; so also when NO_COLOR is set or TERM is dumb
  -h, --help       print this text and exit

Keys: q ends it, r reverses the order, a space shows the next page at once, and
)" + order_help +
         R"( choose the order.

CPU% is the share of the time that a thread was on an OS thread, which includes
what it blocked there. FOR tells how long it has been waiting, or running.

Exit status: 0; otherwise one line on standard error says why, and
  3  there is no such process                     6  its unblock is of another version
  4  it may not be looked at                      7  its records make no sense
  5  it has no unblock or no green threads        8  the process ended meanwhile
  125  a bad option, or no terminal and no --batch
SIGINT, SIGTERM and SIGHUP end it as natively, with the terminal as it was.
)";
}

struct Wishes {
  double interval = 1;
  unsigned pages = 0;  // 0: until somebody ends it
  bool no_colour = false;
  std::string order = "c";
};

bool has_colours(const Wishes& wishes) {
  const char* no_color = getenv("NO_COLOR");
  return !wishes.no_colour && (no_color == nullptr || *no_color == '\0');
}

// A terminal that only prints, one line below the other.
bool is_dumb() {
  const char* term = getenv("TERM");
  return term == nullptr || *term == '\0' || std::string_view(term) == "dumb";
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  return text;
}

class Top {
 public:
  Top(const Target& target, const Wishes& wishes)
      : source_(target), symbols_(target), wishes_(wishes), interval_(wishes.interval) {
    source_.demand_active();
    form_.order = wishes.order[0];
  }

  // Pages one below the other.
  void print_pages() {
    form_.lines = wishes_.pages != 0 ? std::numeric_limits<size_t>::max() : 24;
    form_.columns = wishes_.pages != 0 ? widest_line : 80;
    Sample before = take_sample(source_);
    for (unsigned i = 0; wishes_.pages == 0 || i < wishes_.pages; ++i) {
      std::this_thread::sleep_for(interval_);
      Sample now = take_sample(source_);
      print((i > 0 ? "\n" : "") + text_of(page_of(source_, symbols_, before, now, form_)));
      before = std::move(now);
    }
  }

  // Pages in place of one another. The number of the signal that ended it; 0: a key did.
  int show_pages() {
    Terminal terminal;
    form_.has_colours = has_colours(wishes_);
    Sample before = take_sample(source_);
    // The first page comes soon, and its rates are of a short time.
    Clock::time_point next =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::min(interval_, Seconds(0.3)));
    std::optional<Sample> now;
    for (;;) {
      int left = (int)std::max<int64_t>(0, (next - Clock::now()) / std::chrono::milliseconds(1));
      std::optional<Terminal::Event> event = terminal.wait(left);
      if (event && event->signal != 0) return event->signal;
      if (event && event->key == 'q') return 0;
      if (event) heed(event->key);
      if (!event || event->key == ' ') {
        if (now) before = std::move(*now);
        now = take_sample(source_);
        next = Clock::now() + std::chrono::duration_cast<Clock::duration>(interval_);
      }
      if (!now) continue;
      Terminal::Size size = terminal.size();
      form_.columns = size.columns;
      form_.lines = size.lines;
      terminal.show(page_of(source_, symbols_, before, *now, form_));
    }
  }

 private:
  static constexpr size_t widest_line = 160;

  void heed(char key) {
    if (is_order(key)) form_.order = key;
    if (key == 'r') form_.is_reversed = !form_.is_reversed;
  }

  Greens source_;
  Symbols symbols_;
  const Wishes& wishes_;
  Seconds interval_;
  PageForm form_;
};

void check(const Wishes& wishes) {
  if (!(wishes.interval >= 0.1 && wishes.interval <= 3600)) fail(exit_own_failure, "--interval: not 0.1 to 3600");
  if (wishes.order.size() != 1 || !is_order(wishes.order[0])) {
    fail(exit_own_failure, "--sort '" + wishes.order + "': not one of " + order_help);
  }
}

}  // namespace

int top(const std::vector<std::string>& words) {
  Wishes wishes;
  std::string help = help_text();
  Options options(help);
  options.app().add_option("--interval", wishes.interval);
  CLI::Option* batch = options.app().add_option("--batch", wishes.pages);
  options.app().add_option("--sort", wishes.order);
  options.app().add_flag("--no-color", wishes.no_colour);
  options.parse(words);
  check(wishes);
  if (batch->count() != 0 && wishes.pages == 0) fail(exit_own_failure, "--batch: not a number of pages");
  std::unique_ptr<Target> target = options.open();
  Top view(*target, wishes);
  bool prints = wishes.pages != 0 || (is_dumb() && isatty(STDOUT_FILENO));
  int signal = 0;
  prints ? view.print_pages() : (void)(signal = view.show_pages());
  if (signal != 0) raise(signal);  // the terminal is as it was
  return 0;
}

}  // namespace unblock::tools::view
