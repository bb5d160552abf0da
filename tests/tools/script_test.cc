// First lines of scripts, as the kernel reads them.

#include "tools/script.h"

#include <gtest/gtest.h>

namespace {

using namespace unblock::tools;

std::string interpreter_of(std::string_view head) {
  std::optional<Script> script = read_script(head);
  return script ? script->interpreter + "|" + script->argument : "none";
}

TEST(Script, HasAnInterpreterAndAtMostOneArgument) {
  EXPECT_EQ(interpreter_of("#!/bin/sh\necho"), "/bin/sh|");
  EXPECT_EQ(interpreter_of("#! \t/bin/sh \t\n"), "/bin/sh|");
  EXPECT_EQ(interpreter_of("#!/usr/bin/env python3 -u \nx"), "/usr/bin/env|python3 -u");
  EXPECT_EQ(interpreter_of("#!/bin/sh"), "/bin/sh|");
}

TEST(Script, IsNoneWithoutAName) {
  EXPECT_EQ(interpreter_of(""), "none");
  EXPECT_EQ(interpreter_of("#"), "none");
  EXPECT_EQ(interpreter_of("#!\n/bin/sh"), "none");
  EXPECT_EQ(interpreter_of("#!  \t\n"), "none");
  EXPECT_EQ(interpreter_of("echo #!/bin/sh\n"), "none");
}

TEST(Script, IsNoneWhenTheNameMayBeCut) {
  std::string long_name = "#!/" + std::string(file_head_bytes, 'a');
  EXPECT_EQ(interpreter_of(long_name.substr(0, file_head_bytes)), "none");
  std::string long_argument = "#!/bin/sh " + std::string(file_head_bytes, 'a');
  EXPECT_EQ(interpreter_of(long_argument.substr(0, file_head_bytes)).substr(0, 9), "/bin/sh|a");
}

std::string env_runs(const std::string& argument) { return program_of_env({"/usr/bin/env", argument}); }

TEST(Script, NamesItsProgramThroughEnv) {
  EXPECT_EQ(env_runs("python3"), "python3");
  EXPECT_EQ(env_runs("-S python3 -u"), "python3");
  EXPECT_EQ(env_runs("-SA=1 B=2 python3 -u"), "python3");
  EXPECT_EQ(env_runs("--split-string=python3"), "python3");
  EXPECT_EQ(program_of_env({"/bin/sh", "python3"}), "");
}

TEST(Script, LeavesToEnvWhatOnlyEnvKnows) {
  EXPECT_EQ(env_runs(""), "");
  EXPECT_EQ(env_runs("-S -i python3"), "");
  EXPECT_EQ(env_runs("-S ${SHELL} -c"), "");
  EXPECT_EQ(env_runs("python3 -u"), "python3 -u") << "the kernel passes one argument, so env looks for that name";
}

}  // namespace
