#include "shim/once.h"

static void leave(int** control) {
  if (*control) unblock_once_left_(*control);
}

int unblock_once_run_(int* control, void (*initialise)(void)) {
  if (!unblock_once_begin_(control)) return 0;
  __attribute__((cleanup(leave))) int* running = control;
  initialise();
  running = 0;
  unblock_once_done_(control);
  return 0;
}
