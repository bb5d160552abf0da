#include "tools/privilege.h"

#include <endian.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace unblock::tools {
namespace {

// A file system may be mounted so that nothing on it gains rights.
bool is_on_nosuid_mount(const std::string& program) {
  struct statvfs mount;
  return statvfs(program.c_str(), &mount) == 0 && (mount.f_flag & ST_NOSUID) != 0;
}

bool may_change_identity() { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1; }

bool grants_capabilities(const std::string& program) {
  vfs_ns_cap_data data{};
  if (getxattr(program.c_str(), "security.capability", &data, sizeof data) < ssize_t(XATTR_CAPS_SZ_1)) return false;
  bool is_effective = (le32toh(data.magic_etc) & VFS_CAP_FLAGS_EFFECTIVE) != 0;
  return is_effective || data.data[0].permitted != 0 || data.data[1].permitted != 0;
}

}  // namespace

std::string gained_rights(const std::string& program) {
  struct stat file;
  if (stat(program.c_str(), &file) != 0) return "";
  bool honours_file = !is_on_nosuid_mount(program);
  bool honours_bits = honours_file && may_change_identity();
  // The group bit without the group's right to execute once meant mandatory locking, not another identity.
  bool sets_user = honours_bits && (file.st_mode & S_ISUID) != 0;
  bool sets_group = honours_bits && (file.st_mode & S_ISGID) != 0 && (file.st_mode & S_IXGRP) != 0;
  if (sets_user && file.st_uid != getuid()) return "is set-user-id";
  if (sets_group && file.st_gid != getgid()) return "is set-group-id";
  // The superuser has every capability already, so a file adds none.
  if (honours_file && getuid() != 0 && grants_capabilities(program)) return "has file capabilities";
  bool differs = (!sets_user && geteuid() != getuid()) || (!sets_group && getegid() != getgid());
  return differs ? "would run with an effective identity that is not the real one" : "";
}

}  // namespace unblock::tools
