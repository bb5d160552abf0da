#pragma once
// What ldconfig(8) has noted: where each library is, by its name (/etc/ld.so.cache).

#include <string>
#include <string_view>
#include <vector>

namespace unblock::tools {

class LoaderCache {
 public:
  // Reads the cache at `path`. One that is missing or makes no sense is an empty cache.
  explicit LoaderCache(const std::string& path = "/etc/ld.so.cache");

  // The paths noted for `name`, in the order of the cache. They may be for several machines.
  std::vector<std::string> paths_of(std::string_view name) const;

 private:
  std::string_view text_at(uint64_t offset) const;

  std::string bytes_;
  size_t begin_ = 0;  // of the part that offsets count from
  size_t count_ = 0;
};

}  // namespace unblock::tools
