#include "tools/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "shim/setting.h"
#include "tools/failure.h"
#include "tools/help.h"

namespace unblock::tools {
namespace {

using Words = std::vector<std::string>;

bool takes_next_word(const CLI::App& app, const std::string& word) {
  const CLI::Option* option = app.get_option_no_throw(word);
  return option != nullptr && option->get_items_expected_min() > 0;
}

// Where our own options end: at a word that is no option, or behind `--`.
Words::const_iterator end_of_options(const CLI::App& app, const Words& words) {
  auto word = words.begin();
  while (word != words.end() && word->size() > 1 && word->front() == '-' && *word != "--") {
    bool skips_value = takes_next_word(app, *word) && std::next(word) != words.end();
    word += skips_value ? 2 : 1;
  }
  return word;
}

void add_options(CLI::App& app, CommandLine& line) {
  app.set_help_flag("-h,--help");
  app.set_version_flag("-V,--version", "");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--processors", line.processors);
  app.add_option("--stack", line.stack);
  app.add_flag("--stats{1}", line.statistics);
  app.add_flag("!--no-monitor", line.monitor)->disable_flag_override();
  app.add_flag("!--no-deep", line.deep)->disable_flag_override();
  app.add_flag("--creation-stacks", line.creation_stacks)->disable_flag_override();
  app.add_option("--report-hogs", line.report_hogs);
  app.add_option("--dump-signal", line.dump_signal);
  app.add_flag("--dump-on-crash", line.dump_on_crash)->disable_flag_override();
}

[[noreturn]] void refuse(const std::string& option, const std::string& value, const char* accepted) {
  throw Failure{exit_own_failure, option + " '" + value + "': not " + accepted};
}

void check_values(const CLI::App& app, const CommandLine& line) {
  if (app.count("--processors") != 0 && configuration::processors_of(line.processors.c_str()) == 0) {
    refuse("--processors", line.processors, configuration::accepted_processors);
  }
  if (app.count("--stack") != 0 && configuration::stack_bytes_of(line.stack.c_str()) == 0) {
    refuse("--stack", line.stack, configuration::accepted_stack);
  }
  if (app.count("--dump-signal") != 0 && configuration::signal_of(line.dump_signal.c_str()) == 0) {
    refuse("--dump-signal", line.dump_signal, configuration::accepted_signal);
  }
  if (app.count("--report-hogs") == 0) return;
  if (configuration::threshold_of(line.report_hogs.c_str()) == 0) {
    refuse("--report-hogs", line.report_hogs, configuration::accepted_threshold);
  }
  if (!line.monitor) throw Failure{exit_own_failure, "--report-hogs needs the monitor: not with --no-monitor"};
}

[[noreturn]] void print_and_exit(std::string_view text) {
  std::cout << text << std::flush;
  std::exit(std::cout ? 0 : exit_own_failure);
}

void parse_options(CLI::App& app, Words words) {
  // CLI11 takes an empty value of a flag for none.
  if (std::find(words.begin(), words.end(), "--stats=") != words.end()) refuse("--stats=", "", "the name of a file");
  std::string last = words.empty() ? "" : words.back();  // the only one whose value can be missing
  try {
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    print_and_exit(help_text);
  } catch (const CLI::CallForVersion&) {
    print_and_exit(version_text);
  } catch (const CLI::ExtrasError&) {
    throw Failure{exit_own_failure, "unknown option '" + app.remaining().front() + "'; try 'unblock --help'"};
  } catch (const CLI::ArgumentMismatch&) {
    throw Failure{exit_own_failure, "option '" + last + "' needs a value; try 'unblock --help'"};
  } catch (const CLI::ParseError& error) {
    throw Failure{exit_own_failure, std::string(error.what()) + "; try 'unblock --help'"};
  }
}

}  // namespace

CommandLine parse_command_line(int count, const char* const* arguments) {
  CommandLine line;
  CLI::App app;
  add_options(app, line);
  Words words(arguments + std::min(count, 1), arguments + count);
  auto end = end_of_options(app, words);
  parse_options(app, Words(words.cbegin(), end));
  check_values(app, line);
  if (end != words.end() && *end == "--") ++end;
  line.words.assign(end, words.cend());
  if (line.words.empty()) throw Failure{exit_own_failure, "no program given; try 'unblock --help'"};
  return line;
}

}  // namespace unblock::tools
