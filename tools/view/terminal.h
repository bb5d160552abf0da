#pragma once
// A terminal that shows pages in place of what was on it, and comes back as it was: alternate screen, cursor and keys.

#include <termios.h>

#include <optional>
#include <string>
#include <vector>

namespace unblock::tools::view {

class Terminal {
 public:
  // Takes the terminal on standard input and output over. SIGINT, SIGTERM, SIGHUP, SIGTSTP and SIGWINCH are kept from
  // their defaults until the end and are told by wait(). Throws Failure when there is no terminal.
  Terminal();
  // Gives it back.
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  struct Size {
    size_t columns, lines;
  };
  Size size() const;

  // Shows the lines from the top; nothing else stays. None may be wider than the terminal.
  void show(const std::vector<std::string>& lines);

  // Waits for a key or a signal, for at most `milliseconds`. None: neither came. A stop (control-Z) is dealt with here,
  // and a new size ends the wait without a key: both call for a new page.
  struct Event {
    char key = 0;    // 0: no key
    int signal = 0;  // that wants to end us; 0: none
  };
  std::optional<Event> wait(int milliseconds);

 private:
  void enter();
  void leave();
  std::optional<Event> read_key();
  std::optional<Event> read_signal();

  termios before_{};
  int signals_ = -1;
  bool is_taken_ = false;
};

}  // namespace unblock::tools::view
