#include "scheduler/kernel.h"

#include <string.h>
#include <sys/uio.h>

namespace unblock::kernel {

void say(const char* const* parts) {
  char line[1024] = "unblock: ";
  size_t length = strlen(line);
  for (; *parts != nullptr; ++parts) {
    for (const char* c = *parts; *c != 0 && length < sizeof line - 1; ++c) line[length++] = *c;
  }
  line[length++] = '\n';
  invoke(SYS_write, 2, line, length);
}

const char* decimal(char (&buffer)[24], int64_t value) {
  char* at = buffer + sizeof buffer - 1;
  *at = 0;
  bool negative = value < 0;
  uint64_t rest = negative ? -(uint64_t)value : (uint64_t)value;
  do *--at = '0' + rest % 10;
  while ((rest /= 10) != 0);
  if (negative) *--at = '-';
  return at;
}

}  // namespace unblock::kernel
