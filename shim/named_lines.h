#pragma once
// Source lines for a report. The library knows addresses only, and finds the nearest exported function; names of all
// functions and lines need debug information, which the `unblock` command reads. Where that command stands beside the
// library, it is run for each report, as a child that the program cannot see, and prints the report itself.

#include "shim/lines.h"
#include "shim/stack_of.h"

namespace unblock::named_lines {

// Adds a line for each frame: the address, the function as far as it is known, the file and the offset in it.
void add(Lines& lines, const StackOf& stack);

// The same without the loader's help, and so without functions: async-signal-safe after prepare().
void add_addresses(Lines& lines, const StackOf& stack);

// Looks for the command and for what the others need. print() does so by itself where it was not called.
void prepare();

// Prints the text, with functions and lines where they can be had, and empties it. Call from: an OS thread of our own,
// as it may take long, or a process that is about to die. Async-signal-safe after prepare().
void print(Lines& lines);

}  // namespace unblock::named_lines
