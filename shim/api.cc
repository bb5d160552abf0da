// The public C interface: see unblock/unblock.h.

#include <errno.h>
#include <string.h>
#include <unblock/unblock.h>

#include "shim/lifecycle.h"
#include "shim/report.h"

#define API extern "C" __attribute__((visibility("default")))

using namespace unblock;

API const char* unblock_version(void) { return UNBLOCK_VERSION_STRING; }

API int unblock_is_active(void) { return lifecycle::active(); }

API const char* unblock_inactive_reason(void) { return lifecycle::native_reason(); }

API int unblock_get_counts(unblock_counts* counts, size_t size) {
  if (counts == nullptr || size == 0) {
    errno = EINVAL;
    return -1;
  }
  unblock_counts now = report::counts();
  memset(counts, 0, size);
  memcpy(counts, &now, size < sizeof now ? size : sizeof now);
  return 0;
}
