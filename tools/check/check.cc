#include "tools/check/check.h"

#include <CLI/CLI.hpp>

#include "tools/check/findings.h"
#include "tools/check/report.h"
#include "tools/failure.h"
#include "tools/library.h"
#include "tools/view/options.h"

namespace unblock::tools {
namespace {

constexpr std::string_view help_text =
    R"(Usage: unblock check [OPTION…] PROGRAM

Reads PROGRAM and the libraries that it needs, runs nothing, and says what
becomes of each function of the C library that they call:

  parks    waits without an OS thread
  region   blocks an OS thread while it waits, known to unblock beforehand;
           another OS thread goes on with the other green threads
  held     blocks an OS thread inside the C library; the monitor finds it a few
           milliseconds later, and another OS thread goes on with the others
  passes   does not wait
  missing  does not do under unblock what it does natively; the reason follows

and warns of what imports do not show. A script is judged by its interpreter.
Libraries that the program loads itself (dlopen) are not seen: name an extension
module's interpreter to see the interpreter, not the module.

Options:
  --all        list the calls that pass, too
  --json       print one JSON object, with who calls what
  -h, --help   print this text and exit

Warnings:
  not_found            a library that PROGRAM needs is nowhere
  no_symbols           a file has no table of dynamic symbols (sections removed)
  unreadable           PROGRAM cannot be read, or is no ELF file
  exports              PROGRAM itself exports functions that are unblock's
  inline_system_calls  a file may make system calls without libc
  deep_bind            a file may call dlopen with RTLD_DEEPBIND
  dlmopen              a file may load libraries into other namespaces

Exit status:
  0    every call is known and does what it does natively
  1    some call is missing, or some file could not be read
  2    unblock cannot help PROGRAM, which would run on native threads: it is
       statically linked, gains privileges when started, uses another C library
       than GNU's, or is for another architecture
  125  a bad option, or unblock itself failed
  126  PROGRAM was found but cannot be executed
  127  PROGRAM, or the interpreter or loader that it names, was not found
)";

struct Options {
  std::string program;
  bool all = false;
  bool json = false;
};

Options parse(std::vector<std::string> words) {
  Options options;
  CLI::App app;
  app.add_flag("--all", options.all);
  app.add_flag("--json", options.json);
  app.add_option("PROGRAM", options.program)->required();
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    view::print(help_text);
    std::exit(0);
  } catch (const CLI::RequiredError&) {
    throw Failure{exit_own_failure, "check: no program given; try 'unblock check --help'"};
  } catch (const CLI::ParseError& error) {
    throw Failure{exit_own_failure, std::string("check: ") + error.what() + "; try 'unblock check --help'"};
  }
  return options;
}

int exit_code(const Findings& findings) {
  if (findings.judgement.verdict != Judgement::Verdict::green) return check_no_help;
  bool is_whole = findings.is_complete && findings.calls_of(CallClass::missing).empty();
  return is_whole ? check_complete : check_missing;
}

}  // namespace

int check(const std::vector<std::string>& words) {
  Options options = parse(words);
  Library library = find_library();
  Findings findings = examine(find_program(options.program, library.file), library.file);
  view::print(options.json ? json_of(findings) : text_of(findings, options.all));
  return exit_code(findings);
}

}  // namespace unblock::tools
