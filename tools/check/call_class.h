#pragma once
// What becomes of a call of libc under unblock. The table is made when the command is built, from the list of the names
// that are ours and the two tables that tests/house holds it to; see call_classes.py.

#include <array>
#include <string_view>

namespace unblock::tools {

enum class CallClass {
  parks,    // waits without an OS thread
  region,   // blocks its OS thread in a blocking region: another one takes the processor over
  held,     // blocks its OS thread inside libc: the monitor notices, and another one takes the processor over
  passes,   // goes to libc, or is answered at once
  missing,  // does not do under unblock what it does natively
};

inline constexpr std::array all_call_classes = {CallClass::parks, CallClass::region, CallClass::held, CallClass::passes,
                                                CallClass::missing};

// Its one word: "parks".
std::string_view word_of(CallClass kind);

// The class of libc's function `name`.
CallClass class_of_call(std::string_view name);

// Why the library has no function of that name, where somebody has said so; else empty.
std::string_view reason_of_call(std::string_view name);

// Whether the library has a function of that name, which stands before libc's.
bool is_interposed(std::string_view name);

}  // namespace unblock::tools
