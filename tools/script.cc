#include "tools/script.h"

#include <sstream>

#include "tools/elf_file.h"

namespace unblock::tools {
namespace {

constexpr std::string_view blanks = " \t";

std::string_view trim(std::string_view text) {
  size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// Without the option that makes env split its one argument into words; a second argument does not exist in a script.
std::string_view without_split_option(std::string_view argument) {
  for (std::string_view option : {"-S", "--split-string=", "--split-string"}) {
    if (argument.starts_with(option)) return trim(argument.substr(option.size()));
  }
  return argument;
}

}  // namespace

std::optional<Script> read_script(std::string_view head) {
  if (!head.starts_with("#!")) return {};
  size_t end = head.find('\n');
  std::string_view line = trim(head.substr(2, end == std::string_view::npos ? end : end - 2));
  line = line.substr(0, line.find('\0'));
  size_t name_end = line.find_first_of(blanks);
  // A name that reaches the end of what the kernel reads may go on behind it, so the kernel refuses to guess.
  bool is_cut = end == std::string_view::npos && head.size() >= file_head_bytes && name_end == std::string_view::npos;
  if (line.empty() || is_cut) return {};
  Script script{std::string(line.substr(0, name_end)), ""};
  if (name_end != std::string_view::npos) script.argument = trim(line.substr(name_end));
  return script;
}

std::string program_of_env(const Script& script) {
  if (base_name(script.interpreter) != "env") return "";
  std::string_view rest = without_split_option(script.argument);
  // Without the option the whole argument is the program's name, blanks and all.
  if (rest == script.argument && !rest.starts_with('-') && rest.find('=') == rest.npos) return std::string(rest);
  std::istringstream words{std::string(rest)};
  for (std::string word; words >> word;) {
    if (word.starts_with('-') || word.find_first_of("'\"\\$") != word.npos) return "";
    if (word.find('=') == word.npos) return word;
  }
  return "";
}

}  // namespace unblock::tools
