#include "tools/view/memory.h"

#include <algorithm>

namespace unblock::tools::view {

std::string Memory::text(uint64_t address, size_t most) const {
  std::string bytes(most, '\0');
  bytes.resize(read(address, bytes.data(), most));
  return bytes.substr(0, std::min(bytes.find('\0'), bytes.size()));
}

}  // namespace unblock::tools::view
