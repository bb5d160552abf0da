#include "tools/preload.h"

#include <algorithm>

#include "tools/elf_file.h"

namespace unblock::tools {
namespace {

using Entries = std::vector<std::string>;

bool is_sanitizer_runtime(const std::string& entry) {
  std::string name = base_name(entry);
  for (const char* runtime : {"libasan.so", "libtsan.so", "libhwasan.so", "libclang_rt."}) {
    if (name.starts_with(runtime)) return true;
  }
  return false;
}

Entries split(const std::string& list) {
  Entries entries;
  for (size_t begin = 0; (begin = list.find_first_not_of(" :", begin)) != list.npos;) {
    size_t end = std::min(list.find_first_of(" :", begin), list.size());
    entries.push_back(list.substr(begin, end - begin));
    begin = end;
  }
  return entries;
}

bool has_base_name(const Entries& entries, const std::string& name) {
  return std::any_of(entries.begin(), entries.end(), [&](const auto& entry) { return base_name(entry) == name; });
}

}  // namespace

std::string preload_list(const std::string& existing, const std::string& library, const Entries& needed) {
  Entries entries = split(existing);
  if (std::find(entries.begin(), entries.end(), library) != entries.end()) return existing;
  for (const std::string& name : needed) {
    if (is_sanitizer_runtime(name) && !has_base_name(entries, name)) entries.insert(entries.begin(), name);
  }
  auto place = std::find_if(entries.rbegin(), entries.rend(), is_sanitizer_runtime).base();
  entries.insert(place, library);
  std::string list;
  for (const std::string& entry : entries) list += (list.empty() ? "" : ":") + entry;
  return list;
}

}  // namespace unblock::tools
