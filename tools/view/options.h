#pragma once
// How each command that looks at a process reads its words, and what it may look at.

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/view/target.h"

namespace unblock::tools::view {

// The words of a command that looks at one target.
class Options {
 public:
  // `help` is the whole text that --help prints.
  explicit Options(std::string_view help);

  CLI::App& app() { return app_; }
  // Accepts --core FILE in the place of PID.
  void accept_core();

  // Throws Failure when the words make no sense. Answers --help itself, and exits.
  void parse(std::vector<std::string> words);

  // What the words name. Throws Failure when it cannot be opened.
  std::unique_ptr<Target> open() const;
  // The words behind PID.
  const std::vector<std::string>& rest() const { return rest_; }

 private:
  std::string_view help_;
  CLI::App app_;
  std::string core_;
  std::vector<std::string> words_, rest_;
};

// Writes `text` to standard output. A reader that has gone (head) is no failure.
void print(std::string_view text);

}  // namespace unblock::tools::view
