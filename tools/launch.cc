#include "tools/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <filesystem>

#include "tools/failure.h"
#include "tools/judgement.h"
#include "tools/library.h"
#include "tools/preload.h"
#include "tools/program.h"

namespace unblock::tools {
namespace {

using Verdict = Judgement::Verdict;

// The statistics file as a path that stays right when the program changes its working directory. That it can be written
// is found out now, when somebody is looking.
std::string statistics_path(const std::string& name) {
  std::string path = std::filesystem::absolute(name);
  int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
  if (descriptor < 0) throw Failure{exit_own_failure, "--stats '" + path + "': " + strerror(errno)};
  close(descriptor);
  return path;
}

void set_twins(const CommandLine& line) {
  auto set = [](const char* name, const std::string& value) {
    if (!value.empty()) setenv(name, value.c_str(), true);
  };
  set("UNBLOCK_PROCESSORS", line.processors);
  set("UNBLOCK_STACK", line.stack);
  set("UNBLOCK_STATS",
      line.statistics == "1" || line.statistics.empty() ? line.statistics : statistics_path(line.statistics));
  set("UNBLOCK_MONITOR", line.monitor ? "" : "0");
  set("UNBLOCK_DEEP", line.deep ? "" : "0");
  set("UNBLOCK_CREATION_STACKS", line.creation_stacks ? "1" : "");
  set("UNBLOCK_REPORT_HOGS", line.report_hogs);
  set("UNBLOCK_DUMP_SIGNAL", line.dump_signal);
  set("UNBLOCK_DUMP_ON_CRASH", line.dump_on_crash ? "1" : "");
}

void set_preload(const Program& program, const Library& library) {
  const char* existing = getenv("LD_PRELOAD");
  std::vector<std::string> needed = program.judgement.needed;
  needed.insert(needed.end(), library.file.needed.begin(), library.file.needed.end());
  setenv("LD_PRELOAD", preload_list(existing != nullptr ? existing : "", library.path, needed).c_str(), true);
}

std::vector<char*> argument_list(const std::vector<std::string>& words) {
  std::vector<char*> list;
  for (const std::string& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

// Executes as execvp does: what the kernel does not know is left to the shell, when it is a text.
void execute(const std::string& path, std::vector<std::string> words) {
  execv(path.c_str(), argument_list(words).data());
  if (errno != ENOEXEC || !is_for_shell(path)) return;
  words.front() = path;
  words.insert(words.begin(), "/bin/sh");
  execv("/bin/sh", argument_list(words).data());
}

}  // namespace

void launch(const CommandLine& line) {
  Library library = find_library();
  Program program = find_program(line.words.front(), library.file);
  bool is_native = program.judgement.verdict == Verdict::native;
  if (is_native) {
    say(program.path + " " + program.judgement.reason + "; it runs on native threads");
  } else {
    set_twins(line);
    set_preload(program, library);
  }
  execute(program.path, line.words);
  if (is_native && errno == ENOEXEC) std::exit(exit_cannot_execute);  // our line has said why
  throw Failure{exit_code_of(errno), program.path + ": " + strerror(errno)};
}

}  // namespace unblock::tools
