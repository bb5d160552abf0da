#include "tools/failure.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

namespace unblock::tools {

int exit_code_of(int error) { return error == ENOENT ? exit_not_found : exit_cannot_execute; }

void say(std::string line) {
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 127; }, '?');
  line = "unblock: " + line + "\n";
  // One write, so that lines of several processes do not mix. Where standard error is closed there is nobody to tell.
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace unblock::tools
