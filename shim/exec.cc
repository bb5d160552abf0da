// exec(3): the new program gets its descriptors as the program left them, and the signals that are recorded for the
// calling thread; libc does the rest. The signal mask is already the thread's own, because its carrier runs under it.

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "shim/blocking_call.h"
#include "shim/lifecycle.h"
#include "shim/open_file.h"
#include "shim/real.h"
#include "shim/signals.h"

using namespace unblock;

namespace {

template <class Exec>
int hand_over(Exec exec) {
  if (lifecycle::active()) open_files::share_all();
  if (!lifecycle::on_green()) return exec();
  signals::lend_pending(*this_thread());
  int result = exec();
  signals::take_back_pending(*this_thread());  // it failed
  return result;
}

// The arguments of a variadic form as an array on the stack. Calls run(arguments) and, for the forms with an
// environment, leaves `list` behind the null.
template <class Run>
int with_arguments(const char* first, va_list list, Run run) {
  va_list copy;
  va_copy(copy, list);
  size_t count = 1;
  if (first != nullptr) {
    for (count = 2; va_arg(copy, const char*) != nullptr;) ++count;
  }
  va_end(copy);
  char** arguments = static_cast<char**>(__builtin_alloca(count * sizeof(char*)));
  arguments[0] = const_cast<char*>(first);
  for (size_t i = 1; i < count; ++i) arguments[i] = va_arg(list, char*);
  return run(arguments);
}

}  // namespace

// execve(2) and the forms over arrays.
INTERPOSED int execve(const char* path, char* const arguments[], char* const environment[]) noexcept {
  return hand_over([&] { return real::execve(path, arguments, environment); });
}
INTERPOSED int execv(const char* path, char* const arguments[]) noexcept {
  return hand_over([&] { return real::execv(path, arguments); });
}
INTERPOSED int execvp(const char* file, char* const arguments[]) noexcept {
  return hand_over([&] { return real::execvp(file, arguments); });
}
INTERPOSED int execvpe(const char* file, char* const arguments[], char* const environment[]) noexcept {
  return hand_over([&] { return real::execvpe(file, arguments, environment); });
}
INTERPOSED int fexecve(int fd, char* const arguments[], char* const environment[]) noexcept {
  return hand_over([&] { return real::fexecve(fd, arguments, environment); });
}
INTERPOSED int execveat(int directory, const char* path, char* const arguments[], char* const environment[],
                        int flags) noexcept {
  return hand_over([&] { return real::execveat(directory, path, arguments, environment, flags); });
}

// The variadic forms.
INTERPOSED int execl(const char* path, const char* first, ...) noexcept {
  va_list list;
  va_start(list, first);
  int result = with_arguments(first, list, [&](char** arguments) { return execv(path, arguments); });
  va_end(list);
  return result;
}
INTERPOSED int execlp(const char* file, const char* first, ...) noexcept {
  va_list list;
  va_start(list, first);
  int result = with_arguments(first, list, [&](char** arguments) { return execvp(file, arguments); });
  va_end(list);
  return result;
}
INTERPOSED int execle(const char* path, const char* first, ...) noexcept {
  va_list list;
  va_start(list, first);
  int result =
      with_arguments(first, list, [&](char** arguments) { return execve(path, arguments, va_arg(list, char**)); });
  va_end(list);
  return result;
}
