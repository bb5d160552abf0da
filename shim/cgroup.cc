#include "shim/cgroup.h"

#include <fcntl.h>
#include <string.h>

#include "scheduler/kernel.h"
#include "shim/setting.h"

namespace unblock::cgroup {
namespace {

using configuration::read_digits;

// The beginning of a file, as a zero-terminated text; empty when it cannot be read.
template <size_t size>
struct FileText {
  char text[size];

  explicit FileText(const char* path) {
    size_t length = 0;
    long descriptor = kernel::invoke(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
      // The kernel hands such files out in pieces of a page at most.
      long got = 1;
      while (got > 0 && length < size - 1) {
        got = kernel::invoke(SYS_read, descriptor, text + length, size - 1 - length);
        if (got > 0) length += got;
      }
      kernel::invoke(SYS_close, descriptor);
    }
    text[length] = '\0';
  }
};

// A path that is built from parts; one that does not fit names no file.
class Path {
 public:
  Path& add(const char* part) { return add(part, strlen(part)); }
  Path& add(const char* part, size_t size) {
    fits_ = fits_ && size < sizeof text_ - length_;
    if (!fits_) return *this;
    memcpy(text_ + length_, part, size);
    length_ += size;
    text_[length_] = '\0';
    return *this;
  }
  const char* text() const { return fits_ ? text_ : ""; }

 private:
  char text_[2048] = "";
  size_t length_ = 0;
  bool fits_ = true;
};

unsigned processors(uint64_t quota, uint64_t period) {
  if (quota == 0 || period == 0) return no_quota;
  uint64_t count = quota / period + (quota % period != 0);
  return count < no_quota ? count : no_quota;
}

// Version 2: `QUOTA PERIOD`, with `max` for no quota.
unsigned quota_of_version_2(const Path& folder) {
  FileText<64> file(Path(folder).add("/cpu.max").text());
  const char* at = file.text;
  uint64_t quota = read_digits(at);
  if (*at == ' ') ++at;
  return processors(quota, read_digits(at));
}

// Version 1: a file each, with -1 for no quota.
unsigned quota_of_version_1(const Path& folder) {
  FileText<64> quota(Path(folder).add("/cpu.cfs_quota_us").text());
  FileText<64> period(Path(folder).add("/cpu.cfs_period_us").text());
  const char* quota_text = quota.text;
  const char* period_text = period.text;
  return processors(read_digits(quota_text), read_digits(period_text));
}

struct Membership {
  const char* controllers;
  size_t controllers_size;
  const char* path;
  size_t path_size;
};

// The least quota from the process's cgroup up to the one that is mounted at mounts/name. In a container the path may
// be the host's, which is not there: then only the mounted one counts, and it is the container's own.
unsigned least_quota(unsigned (*quota_of)(const Path&), const Path& mount, const Membership& membership) {
  unsigned least = no_quota;
  for (size_t size = membership.path_size;; --size) {
    bool is_end_of_name = size == 0 || size == membership.path_size || membership.path[size] == '/';
    unsigned quota = is_end_of_name ? quota_of(Path(mount).add(membership.path, size)) : no_quota;
    if (quota < least) least = quota;
    if (size == 0) return least;
  }
}

// Whether `cpu` is among the names, which commas separate.
bool has_cpu(const Membership& membership) {
  const char* end = membership.controllers + membership.controllers_size;
  for (const char* name = membership.controllers; name < end;) {
    const char* comma = (const char*)memchr(name, ',', end - name);
    const char* name_end = comma != nullptr ? comma : end;
    if (name_end - name == 3 && memcmp(name, "cpu", 3) == 0) return true;
    name = name_end + 1;
  }
  return false;
}

unsigned quota_of_membership(const char* mounts, const Membership& membership) {
  Path mount = Path().add(mounts);
  if (membership.controllers_size == 0) {
    // Where both versions are in use, the second is mounted beside the controllers of the first.
    unsigned alone = least_quota(quota_of_version_2, mount, membership);
    unsigned beside = least_quota(quota_of_version_2, Path(mount).add("/unified"), membership);
    return alone < beside ? alone : beside;
  }
  if (!has_cpu(membership)) return no_quota;
  // Controllers that share a mount give it their names, and a link for each name is made by all but a few systems.
  Path joined = Path(mount).add("/").add(membership.controllers, membership.controllers_size);
  unsigned by_all_names = least_quota(quota_of_version_1, joined, membership);
  return by_all_names != no_quota ? by_all_names : least_quota(quota_of_version_1, mount.add("/cpu"), membership);
}

// Splits `ID:CONTROLLERS:PATH`; the path has size 0 in the root, and in a line that is none of that form.
Membership membership_of(const char* line, size_t size) {
  const char* end = line + size;
  const char* first = (const char*)memchr(line, ':', size);
  const char* second = first != nullptr ? (const char*)memchr(first + 1, ':', end - first - 1) : nullptr;
  if (second == nullptr) return {"none", 4, "", 0};
  size_t path_size = end - second - 1;
  if (path_size == 1) path_size = 0;  // "/"
  return {first + 1, (size_t)(second - first - 1), second + 1, path_size};
}

}  // namespace

unsigned quota_processors(const char* membership, const char* mounts) {
  FileText<4096> file(membership);
  unsigned least = no_quota;
  for (const char* line = file.text; *line != '\0';) {
    size_t size = strcspn(line, "\n");
    unsigned quota = quota_of_membership(mounts, membership_of(line, size));
    if (quota < least) least = quota;
    line += size;
    if (*line == '\n') ++line;
  }
  return least;
}

}  // namespace unblock::cgroup
