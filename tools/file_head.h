#pragma once
// A file's first bytes, by which the kernel tells how to execute it.

#include <optional>
#include <string>
#include <string_view>

#include "tools/elf_file.h"

namespace unblock::tools {

// Owns the open file. A file that cannot be opened or read has an empty head and is neither text nor ELF.
class FileHead {
 public:
  explicit FileHead(const std::string& path);
  ~FileHead();
  FileHead(const FileHead&) = delete;
  FileHead& operator=(const FileHead&) = delete;

  std::string_view text() const { return head_; }
  bool is_elf() const { return head_.starts_with("\177ELF"); }
  bool is_text() const;  // no zero byte; so also an empty file
  std::optional<ElfFile> read_elf() const;

 private:
  int descriptor_;
  bool is_readable_ = false;
  std::string head_;
};

}  // namespace unblock::tools
