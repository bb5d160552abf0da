#include "tools/view/options.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/view/failures.h"

namespace unblock::tools::view {

Options::Options(std::string_view help) : help_(help) {
  app_.set_help_flag("-h,--help");
  app_.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app_.add_option("words", words_)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void Options::accept_core() { app_.add_option("--core", core_); }

void Options::parse(std::vector<std::string> words) {
  try {
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app_.parse(words);
  } catch (const CLI::CallForHelp&) {
    print(help_);
    std::exit(0);
  } catch (const CLI::ParseError& error) {
    fail(exit_own_failure, std::string(error.what()) + "; try --help");
  }
  rest_ = words_;
  if (!core_.empty()) return;
  if (rest_.empty()) fail(exit_own_failure, "which process? Give its number; try --help");
  rest_.erase(rest_.begin());
}

std::unique_ptr<Target> Options::open() const {
  return core_.empty() ? open_process(pid_of(words_.front())) : open_core(core_);
}

void print(std::string_view text) {
  while (!text.empty()) {
    ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) std::exit(0);
    if (written < 0) fail(exit_own_failure, std::string("standard output: ") + strerror(errno));
    text.remove_prefix(written);
  }
}

}  // namespace unblock::tools::view
