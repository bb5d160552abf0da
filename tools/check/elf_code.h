#pragma once
// An ELF file's dynamic symbols and its code. Reads hostile files, as elf_file.h does.

#include <stdint.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct Elf;

namespace unblock::tools {

class ElfCode {
 public:
  // Reads the file at `path`. One that cannot be read has no symbols and no code.
  explicit ElfCode(const std::string& path);
  ~ElfCode();
  ElfCode(const ElfCode&) = delete;
  ElfCode& operator=(const ElfCode&) = delete;

  // Whether it has a table of dynamic symbols that could be read. Without it both lists below are empty.
  bool has_symbols() const { return has_symbols_; }
  const std::vector<std::string>& imported() const { return imported_; }
  const std::vector<std::string>& exported() const { return exported_; }

  // The segments that hold instructions, as they lie in memory.
  struct Segment {
    uint64_t address;
    std::string_view bytes;
  };
  const std::vector<Segment>& code() const { return code_; }

  // Where the function begins that the instruction at `address` belongs to, as the tables for unwinding say.
  std::optional<uint64_t> function_at(uint64_t address) const;

  // The name of the imported function that a call to `address` ends in: the entry of a procedure linkage table.
  std::string import_called_at(uint64_t address) const;

  // The name of the imported function whose address the loader writes to `slot`.
  std::string import_of_slot(uint64_t slot) const;

 private:
  void read_symbols();
  void read_code();
  void read_functions();
  void read_slots();
  std::string_view bytes_from(uint64_t address) const;

  struct Slot {
    uint64_t address;
    std::string name;
  };

  int descriptor_;
  Elf* elf_ = nullptr;
  bool has_symbols_ = false;
  std::vector<std::string> imported_, exported_;
  std::vector<Segment> code_;
  std::vector<uint64_t> functions_;  // sorted
  std::vector<Slot> slots_;          // sorted by address
};

}  // namespace unblock::tools
