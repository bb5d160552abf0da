#include "tools/program.h"

#include <errno.h>
#include <string.h>

#include "tools/failure.h"
#include "tools/program_search.h"

namespace unblock::tools {
namespace {

using Verdict = Judgement::Verdict;

Judgement judge_candidate(const std::string& path, const ElfFile& library) {
  int error = execution_error(path);
  if (error == 0) return judge(path, library);
  return {Verdict::impossible, error == ENOENT ? "no such program" : strerror(error), error};
}

}  // namespace

// What is there and cannot be executed is remembered, since it says more than the missing files of the folders that
// follow.
Program find_program(const std::string& name, const ElfFile& library) {
  Program failed{name, {Verdict::impossible, "no such program", ENOENT}};
  for (const std::string& path : program_candidates(name)) {
    Program program{path, judge_candidate(path, library)};
    if (program.judgement.verdict != Verdict::impossible) return program;
    int error = program.judgement.error;
    bool is_there = error == EACCES || execution_error(path) == 0;
    if (is_there || path == name || !search_goes_on_after(error)) failed = program;
    if (!search_goes_on_after(error)) break;
  }
  throw Failure{exit_code_of(failed.judgement.error), failed.path + ": " + failed.judgement.reason};
}

}  // namespace unblock::tools
