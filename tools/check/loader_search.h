#pragma once
// Where the dynamic loader would find a library: the rules of ld.so(8), without running anything.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/check/loader_cache.h"
#include "tools/elf_file.h"

namespace unblock::tools {

// A file of the program: itself, or a library that it needs.
struct LoadedObject {
  std::string path;
  ElfFile file;
  std::string needed_by = {};            // the path of the first that named it; empty for the program
  const LoadedObject* loader = nullptr;  // the same, while the list that they are in lives
};

class LoaderSearch {
 public:
  // The library `name` as the loader would find it for `object`, for the same machine; empty when there is none.
  std::optional<LoadedObject> find(const std::string& name, const LoadedObject& object) const;

 private:
  std::vector<std::string> folders_before_cache(const LoadedObject& object) const;

  LoaderCache cache_;
};

// The program's file and all libraries that it needs, in the order in which the loader loads them.
struct LoadedObjects {
  std::vector<std::unique_ptr<LoadedObject>> found;
  std::vector<std::string> not_found;  // "libx.so.1, which /usr/bin/program needs"
};

LoadedObjects loaded_objects(const std::string& program, const ElfFile& file);

}  // namespace unblock::tools
