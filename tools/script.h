#pragma once
// Scripts: files whose first line, `#!INTERPRETER [ARGUMENT]`, names the program that the kernel runs in their place.

#include <optional>
#include <string>
#include <string_view>

namespace unblock::tools {

// The kernel looks at no more than this much of a file to tell what it is.
constexpr size_t file_head_bytes = 256;

// After a script, the kernel follows this many interpreters that are scripts themselves.
constexpr int most_interpreters = 5;

struct Script {
  std::string interpreter;
  std::string argument;  // all that follows on the line, as one word; empty: none
};

// Reads a script's first line the way the kernel does. Empty when `head`, the first file_head_bytes of a file, is none,
// or when the kernel would refuse the line.
std::optional<Script> read_script(std::string_view head);

// The program that env(1) goes on to run: `NAME` in `#!/usr/bin/env NAME` and in `#!/usr/bin/env -S A=1 NAME -x`.
// Empty when the script's interpreter is not env, or when the line has options of env whose effect is not known here.
std::string program_of_env(const Script& script);

}  // namespace unblock::tools
