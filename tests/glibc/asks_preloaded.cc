// Exits with 0 when the preloaded library says that it stands before libc.
#include <dlfcn.h>

int main() {
  auto stands = reinterpret_cast<bool (*)()>(dlsym(RTLD_DEFAULT, "opened_library_stands_before_libc"));
  return stands && stands() ? 0 : 1;
}
