// What the scheduler's locks need from the floor above: signals are not recorded in these tests.
#include "scheduler/host.h"

#include <cstdlib>

namespace unblock::host {
void deliver_recorded_signals() { abort(); }
}  // namespace unblock::host
