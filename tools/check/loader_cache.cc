#include "tools/check/loader_cache.h"

#include <string.h>

#include <fstream>
#include <iterator>

namespace unblock::tools {
namespace {

// The format since glibc 2.2. An older part may stand before it, for loaders that are older still.
constexpr std::string_view magic = "glibc-ld.so.cache1.1";

struct Header {
  char magic[20];
  uint32_t count;
  uint32_t strings_size;
  uint32_t unused[5];
};

struct Entry {
  int32_t flags;
  uint32_t name;
  uint32_t path;
  uint32_t os_version;
  uint64_t capabilities;
};

}  // namespace

LoaderCache::LoaderCache(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  bytes_.assign(std::istreambuf_iterator<char>(file), {});
  begin_ = bytes_.find(magic);
  if (begin_ == bytes_.npos || bytes_.size() - begin_ < sizeof(Header)) return;
  Header header;
  memcpy(&header, &bytes_[begin_], sizeof header);
  count_ = std::min<size_t>(header.count, (bytes_.size() - begin_ - sizeof header) / sizeof(Entry));
}

std::string_view LoaderCache::text_at(uint64_t offset) const {
  if (offset >= bytes_.size() - begin_) return "";
  std::string_view rest = std::string_view(bytes_).substr(begin_ + offset);
  return rest.substr(0, rest.find('\0'));
}

std::vector<std::string> LoaderCache::paths_of(std::string_view name) const {
  std::vector<std::string> paths;
  for (size_t i = 0; i < count_; ++i) {
    Entry entry;
    memcpy(&entry, &bytes_[begin_ + sizeof(Header) + i * sizeof entry], sizeof entry);
    if (text_at(entry.name) == name) paths.emplace_back(text_at(entry.path));
  }
  return paths;
}

}  // namespace unblock::tools
