#include "tools/program_search.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace unblock::tools {

std::vector<std::string> program_candidates(const std::string& name) {
  if (name.empty() || name.find('/') != name.npos) return {name};
  const char* variable = getenv("PATH");
  std::string rest = variable != nullptr ? variable : "/bin:/usr/bin";
  std::vector<std::string> candidates;
  for (size_t begin = 0; begin <= rest.size();) {
    size_t end = std::min(rest.find(':', begin), rest.size());
    std::string folder = rest.substr(begin, end - begin);
    candidates.push_back(folder.empty() ? name : folder + "/" + name);  // an empty entry is the working directory
    begin = end + 1;
  }
  return candidates;
}

int execution_error(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return errno;
  if (!S_ISREG(file.st_mode)) return EACCES;
  return faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

bool search_goes_on_after(int error) {
  switch (error) {
    case EACCES:
    case ENOENT:
    case ENOTDIR:
    case ESTALE:
    case ENODEV:
    case ETIMEDOUT: return true;
    default: return false;
  }
}

}  // namespace unblock::tools
