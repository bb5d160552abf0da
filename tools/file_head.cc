#include "tools/file_head.h"

#include <fcntl.h>
#include <unistd.h>

#include "tools/script.h"

namespace unblock::tools {

// O_NONBLOCK, lest a path that is replaced by a fifo meanwhile makes us wait.
FileHead::FileHead(const std::string& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  char bytes[file_head_bytes];
  ssize_t size = descriptor_ < 0 ? -1 : pread(descriptor_, bytes, sizeof bytes, 0);
  is_readable_ = size >= 0;
  if (is_readable_) head_.assign(bytes, size);
}

FileHead::~FileHead() {
  if (descriptor_ >= 0) close(descriptor_);
}

bool FileHead::is_text() const { return is_readable_ && head_.find('\0') == std::string::npos && !is_elf(); }

std::optional<ElfFile> FileHead::read_elf() const { return tools::read_elf(descriptor_); }

}  // namespace unblock::tools
