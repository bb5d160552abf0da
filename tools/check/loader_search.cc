#include "tools/check/loader_search.h"

#include <elf.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "tools/file_head.h"

namespace unblock::tools {
namespace {

// No program needs so many; a chain of hostile files might.
constexpr size_t most_objects = 4096;

// Where the loaders of the distributions look when all else fails, for any machine: those for others do not fit.
constexpr const char* default_folders[] = {"/lib/x86_64-linux-gnu",
                                           "/usr/lib/x86_64-linux-gnu",
                                           "/lib/aarch64-linux-gnu",
                                           "/usr/lib/aarch64-linux-gnu",
                                           "/lib64",
                                           "/usr/lib64",
                                           "/lib",
                                           "/usr/lib"};

void replace_all(std::string& text, const std::string& token, const std::string& value) {
  for (size_t at = 0; (at = text.find(token, at)) != text.npos; at += value.size()) {
    text.replace(at, token.size(), value);
  }
}

// The kernel tells the loader the program's own path without symbolic links; a library's is as it was found.
std::string origin_of(const LoadedObject& object) {
  std::error_code error;
  std::filesystem::path path = object.path;
  if (object.loader == nullptr) path = std::filesystem::canonical(path, error);
  return path.parent_path();
}

// With the loader's variables replaced; those that depend on the loader's build have several values.
std::vector<std::string> expand(std::string folder, const LoadedObject& object) {
  std::string origin = origin_of(object);
  for (const char* name : {"${ORIGIN}", "$ORIGIN"}) replace_all(folder, name, origin);
  for (const char* name : {"${PLATFORM}", "$PLATFORM"}) replace_all(folder, name, "x86_64");
  if (folder.find("$LIB") == folder.npos && folder.find("${LIB}") == folder.npos) return {folder};
  std::vector<std::string> folders;
  for (const char* value : {"lib/x86_64-linux-gnu", "lib64", "lib"}) {
    std::string each = folder;
    for (const char* name : {"${LIB}", "$LIB"}) replace_all(each, name, value);
    folders.push_back(each);
  }
  return folders;
}

// Adds the folders of the list `path`, as DT_RPATH and LD_LIBRARY_PATH have it. An empty entry is the working folder.
void add_folders(std::vector<std::string>& folders, const std::string& path, const LoadedObject& object,
                 const char* separators = ":") {
  if (path.empty()) return;
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find_first_of(separators, begin), path.size());
    std::string entry = path.substr(begin, end - begin);
    for (const std::string& folder : expand(entry.empty() ? "." : entry, object)) folders.push_back(folder);
    begin = end + 1;
  }
}

std::optional<LoadedObject> open_object(const std::string& path, const LoadedObject& for_whom) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return {};
  std::optional<ElfFile> file = FileHead(path).read_elf();
  if (!file || file->type != ET_DYN || !file->is_for_same_machine(for_whom.file)) return {};
  return LoadedObject{path, *file, for_whom.path, &for_whom};
}

std::optional<LoadedObject> first_of(const std::vector<std::string>& paths, const LoadedObject& for_whom) {
  for (const std::string& path : paths) {
    if (auto object = open_object(path, for_whom)) return object;
  }
  return {};
}

bool has_name(const LoadedObject& object, const std::string& name) {
  return object.file.soname == name || object.path == name || base_name(object.path) == name;
}

bool is_same_file(const std::string& one, const std::string& other) {
  std::error_code error;
  return std::filesystem::equivalent(one, other, error) && !error;
}

}  // namespace

// DT_RPATH of the object and of those that brought it, unless the object has DT_RUNPATH; LD_LIBRARY_PATH; DT_RUNPATH.
std::vector<std::string> LoaderSearch::folders_before_cache(const LoadedObject& object) const {
  std::vector<std::string> folders;
  if (object.file.runpath.empty()) {
    for (const LoadedObject* each = &object; each != nullptr; each = each->loader) {
      if (each->file.runpath.empty()) add_folders(folders, each->file.rpath, *each);
    }
  }
  if (const char* variable = getenv("LD_LIBRARY_PATH")) add_folders(folders, variable, object, ":;");
  add_folders(folders, object.file.runpath, object);
  return folders;
}

std::optional<LoadedObject> LoaderSearch::find(const std::string& name, const LoadedObject& object) const {
  if (name.find('/') != name.npos) return open_object(expand(name, object).front(), object);
  for (const std::string& folder : folders_before_cache(object)) {
    if (auto found = open_object(folder + "/" + name, object)) return found;
  }
  bool uses_defaults = (object.file.flags_1 & DF_1_NODEFLIB) == 0;
  if (!uses_defaults) return {};
  if (auto found = first_of(cache_.paths_of(name), object)) return found;
  for (const char* folder : default_folders) {
    if (auto found = open_object(std::string(folder) + "/" + name, object)) return found;
  }
  return {};
}

LoadedObjects loaded_objects(const std::string& program, const ElfFile& file) {
  LoaderSearch search;
  LoadedObjects objects;
  objects.found.push_back(std::make_unique<LoadedObject>(LoadedObject{program, file}));
  auto is_loaded = [&](auto matches) {
    return std::any_of(objects.found.begin(), objects.found.end(), [&](const auto& each) { return matches(*each); });
  };
  for (size_t i = 0; i < objects.found.size() && i < most_objects; ++i) {
    const LoadedObject& object = *objects.found[i];
    for (const std::string& name : object.file.needed) {
      if (is_loaded([&](const LoadedObject& each) { return has_name(each, name); })) continue;
      std::optional<LoadedObject> library = search.find(name, object);
      if (!library) {
        objects.not_found.push_back(name + ", which " + object.path + " needs");
      } else if (!is_loaded([&](const LoadedObject& each) { return is_same_file(each.path, library->path); })) {
        objects.found.push_back(std::make_unique<LoadedObject>(*library));
      }
    }
  }
  return objects;
}

}  // namespace unblock::tools
