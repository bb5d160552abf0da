#pragma once
// Names and lines for addresses of the target, from its files' symbol tables and debug information (elfutils' libdw).

#include <elfutils/libdwfl.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/view/target.h"

namespace unblock::tools::view {

struct Place {
  std::string function;  // demangled; empty: not known
  std::string file;      // of the source; empty without debug information
  int line = 0;
  std::string module;  // the file that it is mapped from
};

class Symbols {
 public:
  // Reads no file yet, but what the target has mapped. A target whose files are gone has few names.
  explicit Symbols(const Target& target);

  // `is_return_address`: the instruction before is meant, which made the call.
  Place place_of(uint64_t address, bool is_return_address) const;
  // The same with the functions that the compiler has put into that one: the innermost first, place_of()'s function last.
  std::vector<Place> places_of(uint64_t address, bool is_return_address) const;
  // The name of the function that begins at or holds `address`; the address itself when it has none. Remembered.
  const std::string& function_at(uint64_t address);

  Dwfl* dwfl() const { return dwfl_.get(); }

 private:
  struct DwflEnd {
    void operator()(Dwfl* dwfl) const { dwfl_end(dwfl); }
  };
  std::unique_ptr<Dwfl, DwflEnd> dwfl_;
  std::unordered_map<uint64_t, std::string> functions_;
};

// A C++ symbol in words; any other as it is, without the version of libc's symbols.
std::string demangled(const char* name);

// 0x…, in lower case.
std::string hexadecimal(uint64_t number);

}  // namespace unblock::tools::view
