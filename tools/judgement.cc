#include "tools/judgement.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "tools/file_head.h"
#include "tools/privilege.h"
#include "tools/program_search.h"
#include "tools/script.h"

namespace unblock::tools {
namespace {

using Verdict = Judgement::Verdict;

// env starts the kernel's count of nested interpreters anew; a script that names itself through env runs for ever, and
// ends here.
constexpr int most_hops = 40;

bool is_gnu_loader(const std::string& path) { return base_name(path).starts_with("ld-linux"); }

bool needs(const ElfFile& program, std::string_view library) {
  for (const std::string& name : program.needed) {
    if (name.starts_with(library)) return true;
  }
  return false;
}

bool has_foreign_libc(const ElfFile& program) {
  if (needs(program, "libc.musl-")) return true;
  return !is_gnu_loader(program.interpreter) && !needs(program, "libc.so.6");
}

Judgement judge_loader(const std::string& loader) {
  int error = execution_error(loader);
  if (error == 0) return {};
  return {Verdict::impossible, "needs the loader " + loader + ": " + strerror(error), error};
}

Judgement judge_elf(const ElfFile& program, const ElfFile& library) {
  if (!program.is_loadable()) return {Verdict::native, "is an ELF file, but no program"};
  if (!program.is_for_same_machine(library)) {
    return {Verdict::native, "is for " + program.machine_name() + ", and libunblock.so for " + library.machine_name()};
  }
  if (program.interpreter.empty()) {
    // The loader itself has no loader either, and preloads for the program that it is given.
    if (is_gnu_loader(program.soname)) return {};
    return {Verdict::native, "is statically linked"};
  }
  Judgement loader = judge_loader(program.interpreter);
  if (loader.verdict != Verdict::green) return loader;
  if (!has_foreign_libc(program)) return {};
  return {Verdict::native, "uses another C library than GNU's (its loader is " + program.interpreter + ")"};
}

// Judges a file that is no script.
Judgement judge_file(const std::string& path, const FileHead& head, const ElfFile& library) {
  Judgement judgement;
  if (head.is_elf()) {
    std::optional<ElfFile> program = head.read_elf();
    if (!program) return {Verdict::native, "has damaged ELF headers"};
    judgement = judge_elf(*program, library);
    judgement.needed = program->needed;
  }
  if (judgement.verdict != Verdict::green) return judgement;
  std::string rights = gained_rights(path);
  if (!rights.empty()) return {Verdict::native, rights + ", and the loader then ignores LD_PRELOAD"};
  return judgement;
}

Judgement missing_interpreter(const std::string& interpreter, int error) {
  return {Verdict::impossible, "names the interpreter " + interpreter + ": " + strerror(error), error};
}

// The path of the program that env goes on to run; empty when env does not find it either, and will say so itself.
std::string find_program_of_env(const Script& script) {
  std::string name = program_of_env(script);
  if (name.empty()) return "";
  for (const std::string& candidate : program_candidates(name)) {
    if (execution_error(candidate) == 0) return candidate;
  }
  return "";
}

// Follows a script to the program that runs in the end.
class Chain {
 public:
  explicit Chain(const ElfFile& library) : library_(library) {}

  Judgement follow(std::string path) {
    for (int hop = 0; hop < most_hops; ++hop) {
      FileHead head(path);
      std::optional<Script> script = read_script(head.text());
      // A text without a line for the kernel is run by the shell.
      if (!script && head.is_text() && hop == 0) script = Script{"/bin/sh", ""};
      if (!script) return named(path, hop, judge_file(path, head, library_));
      Judgement step = follow_once(*script, path);
      if (step.verdict != Verdict::green) return step;
    }
    return {};
  }

 private:
  // Moves `path` to the program that runs `script`.
  Judgement follow_once(const Script& script, std::string& path) {
    int error = execution_error(script.interpreter);
    if (error != 0) return missing_interpreter(script.interpreter, error);
    if (++interpreters_ > most_interpreters) return {Verdict::impossible, "nests too many interpreters", ELOOP};
    path = script.interpreter;
    std::string program = find_program_of_env(script);
    if (program.empty()) return {};
    path = program;
    interpreters_ = 0;
    return {};
  }

  static Judgement named(const std::string& path, int hop, Judgement judgement) {
    judgement.path = path;
    if (hop > 0 && !judgement.reason.empty()) judgement.reason = "runs in " + path + ", which " + judgement.reason;
    return judgement;
  }

  const ElfFile& library_;
  int interpreters_ = 0;
};

}  // namespace

Judgement judge(const std::string& program, const ElfFile& library) { return Chain(library).follow(program); }

bool is_for_shell(const std::string& program) { return FileHead(program).is_text(); }

}  // namespace unblock::tools
