#include "tools/view/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/view/failures.h"

namespace unblock::tools::view {
namespace {

constexpr const char* alternate_screen = "\033[?1049h\033[?25l";   // and no cursor
constexpr const char* own_screen = "\033[0m\033[?25h\033[?1049l";  // and the cursor again
constexpr const char* home = "\033[H";
constexpr const char* end_of_line = "\033[K";
constexpr const char* rest_of_screen = "\033[J";

sigset_t signals_we_hear() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH}) sigaddset(&set, number);
  return set;
}

// A terminal that has gone is told by the next read.
void put(std::string_view text) {
  while (!text.empty()) {
    ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(written);
  }
}

}  // namespace

Terminal::Terminal() {
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before_) != 0) {
    fail(exit_own_failure, "standard input and output are no terminal; --batch N prints N pages to anything");
  }
  sigset_t set = signals_we_hear();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_ < 0) fail(exit_own_failure, "signalfd fails");
  enter();
}

Terminal::~Terminal() {
  leave();
  if (signals_ >= 0) close(signals_);
  sigset_t set = signals_we_hear();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

void Terminal::enter() {
  termios keys = before_;
  keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  keys.c_cc[VMIN] = 1;
  keys.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
  put(alternate_screen);
  is_taken_ = true;
}

void Terminal::leave() {
  if (!is_taken_) return;
  put(own_screen);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  is_taken_ = false;
}

Terminal::Size Terminal::size() const {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {80, 24};
  return {size.ws_col, size.ws_row};
}

void Terminal::show(const std::vector<std::string>& lines) {
  std::string text = home;
  for (size_t i = 0; i < lines.size(); ++i) text += (i == 0 ? "" : "\r\n") + lines[i] + end_of_line;
  put(text + rest_of_screen);
}

std::optional<Terminal::Event> Terminal::wait(int milliseconds) {
  pollfd sources[] = {{signals_, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  if (poll(sources, 2, milliseconds) <= 0) return {};
  if (sources[0].revents != 0) return read_signal();
  return read_key();
}

std::optional<Terminal::Event> Terminal::read_key() {
  char bytes[64];
  ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return Event{};
  if (count <= 0) return Event{0, SIGHUP};
  bool is_sequence = bytes[0] == '\033' && count > 1;  // an arrow, say, which means nothing here
  return Event{is_sequence ? '\0' : bytes[0], 0};
}

std::optional<Terminal::Event> Terminal::read_signal() {
  signalfd_siginfo heard;
  if (read(signals_, &heard, sizeof heard) != (ssize_t)sizeof heard || heard.ssi_signo == SIGWINCH) return Event{};
  if (heard.ssi_signo != SIGTSTP) return Event{0, (int)heard.ssi_signo};
  leave();
  kill(getpid(), SIGSTOP);
  enter();
  return Event{};
}

}  // namespace unblock::tools::view
