#pragma once
// The numbers an operator may write, in a variable of the environment or in an option of the command: one statement of
// what is accepted, for the library and the command alike. Pure functions of their text: no libc, no memory, no errno,
// so that they run before libc's own constructor.

#include <stdint.h>

namespace unblock::configuration {

constexpr uint64_t most_processors = 1024;
constexpr char accepted_processors[] = "a whole number from 1 to 1024";

// The least is PTHREAD_STACK_MIN, which newer headers turn into a system call that is not allowed this early.
#ifdef __aarch64__
constexpr uint64_t least_stack_bytes = 128 << 10;
constexpr char accepted_stack[] = "a size from 128K to 1024G, in bytes or with a suffix K, M or G";
#else
constexpr uint64_t least_stack_bytes = 16 << 10;
constexpr char accepted_stack[] = "a size from 16K to 1024G, in bytes or with a suffix K, M or G";
#endif
constexpr uint64_t most_stack_bytes = 1ull << 40;

// Reads the decimal digits that `text` begins with and moves `text` behind them. Returns 0 when there are none and
// UINT64_MAX when the number does not fit; neither is a value that any setting accepts.
constexpr uint64_t read_digits(const char*& text) {
  uint64_t value = 0;
  bool fits = true;
  for (; *text >= '0' && *text <= '9'; ++text) {
    uint64_t digit = *text - '0';
    fits = fits && value <= (UINT64_MAX - digit) / 10;
    value = fits ? 10 * value + digit : UINT64_MAX;
  }
  return value;
}

// The number of bytes that a size's suffix stands for; 0 when it is none.
constexpr uint64_t suffix_bytes(const char* suffix) {
  if (suffix[0] == '\0') return 1;
  if (suffix[1] != '\0') return 0;
  switch (suffix[0]) {
    case 'K':
    case 'k': return 1 << 10;
    case 'M':
    case 'm': return 1 << 20;
    case 'G':
    case 'g': return 1 << 30;
    default: return 0;
  }
}

// The number of processors that `text` asks for; 0 when it is not an accepted one.
constexpr unsigned processors_of(const char* text) {
  uint64_t value = read_digits(text);
  return *text == '\0' && value <= most_processors ? value : 0;
}

// The stack size in bytes that `text` asks for; 0 when it is not an accepted one.
constexpr uint64_t stack_bytes_of(const char* text) {
  uint64_t value = read_digits(text);
  uint64_t unit = suffix_bytes(text);
  if (unit == 0 || value > most_stack_bytes / unit || value * unit < least_stack_bytes) return 0;
  return value * unit;
}

constexpr int64_t least_threshold = 1'000'000, most_threshold = 3'600'000'000'000;  // nanoseconds
constexpr char accepted_threshold[] = "a time from 1ms to 3600s, as a whole number with us, ms or s";

constexpr bool is_word(const char* text, const char* word) {
  for (; *text != '\0' && *text == *word; ++text) ++word;
  return *text == *word;
}

constexpr char accepted_signal[] = "HUP, QUIT, USR1, USR2, WINCH, IO, PWR or a number from 34 to 64";

// The number of the signal that `text` names, with or without SIG before it; 0 when it is not an accepted one. The
// numbers are those of x86-64 and aarch64.
constexpr int signal_of(const char* text) {
  struct Name {
    const char* text;
    int number;
  };
  constexpr Name names[] = {{"HUP", 1},    {"QUIT", 3}, {"USR1", 10}, {"USR2", 12},
                            {"WINCH", 28}, {"IO", 29},  {"PWR", 30}};
  const char* name = text[0] == 'S' && text[1] == 'I' && text[2] == 'G' ? text + 3 : text;
  for (const Name& each : names) {
    if (is_word(name, each.text)) return each.number;
  }
  uint64_t number = read_digits(text);
  return *text == '\0' && number >= 34 && number <= 64 ? (int)number : 0;
}

// The nanoseconds that `text` stands for; 0 when it is not an accepted time.
constexpr int64_t threshold_of(const char* text) {
  uint64_t value = read_digits(text);
  uint64_t unit = is_word(text, "us")   ? 1'000
                  : is_word(text, "ms") ? 1'000'000
                  : is_word(text, "s")  ? 1'000'000'000
                                        : 0;
  if (unit == 0 || value > most_threshold / unit || value * unit < least_threshold) return 0;
  return (int64_t)(value * unit);
}

}  // namespace unblock::configuration
