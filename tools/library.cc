#include "tools/library.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "tools/failure.h"

namespace unblock::tools {
namespace {

namespace fs = std::filesystem;

// Where the library may be, relative to the command.
const char* const library_folders[] = {".", UNBLOCK_LIBRARY_FOLDER, "../lib", "../lib64"};

fs::path own_folder() {
  std::error_code error;
  fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) throw Failure{exit_own_failure, "cannot tell where libunblock.so is: /proc/self/exe: " + error.message()};
  return self.parent_path();
}

fs::path find_path() {
  const char* chosen = getenv("UNBLOCK_LIBRARY");
  if (chosen != nullptr && *chosen != '\0') return fs::absolute(chosen);
  fs::path self = own_folder();
  for (const char* folder : library_folders) {
    fs::path path = (self / folder / UNBLOCK_LIBRARY_NAME).lexically_normal();
    std::error_code ignored;
    if (fs::exists(path, ignored)) return path;
  }
  throw Failure{exit_own_failure, "cannot find " UNBLOCK_LIBRARY_NAME " beside " + self.string() +
                                      "/unblock or in its library folder; UNBLOCK_LIBRARY may name it"};
}

ElfFile read_library(const std::string& path) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw Failure{exit_own_failure, "cannot read the library " + path + ": " + strerror(errno)};
  std::optional<ElfFile> file = read_elf(descriptor);
  close(descriptor);
  if (!file || file->type != ET_DYN || !file->is_dynamic) {
    throw Failure{exit_own_failure, "the library " + path + " is not a shared library"};
  }
  return *file;
}

}  // namespace

Library find_library() {
  std::string path = find_path();
  ElfFile file = read_library(path);
  if (path.find_first_of(" :") != std::string::npos) {
    throw Failure{exit_own_failure,
                  "the library's path '" + path + "' has a blank or colon, which LD_PRELOAD cannot carry"};
  }
  return {path, file};
}

}  // namespace unblock::tools
