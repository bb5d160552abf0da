// Options of the form `--name NUMBER`, for the demo's equipment.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

struct Option {
  const char* name;
  uint64_t* value;  // Set when the option is given. It must not be 0 in the end.
};

// Anything but a known option and a positive number, or one still 0 in the end: usage on standard error, exit with 2.
inline void parse_options(int count, char** arguments, const char* usage, std::initializer_list<Option> options) {
  bool right = count % 2 == 1;
  for (int i = 1; right && i < count; i += 2) {
    bool known = false;
    for (const Option& option : options) {
      if (strcmp(option.name, arguments[i]) != 0) continue;
      char* end;
      *option.value = strtoul(arguments[i + 1], &end, 10);
      known = *end == '\0';
    }
    right = known;
  }
  for (const Option& option : options) right = right && *option.value != 0;
  if (right) return;
  fprintf(stderr, "usage: %s\n", usage);
  exit(2);
}
