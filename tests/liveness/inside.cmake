# What libc waits for inside itself.
unblock_liveness_test(inside_libc inside_libc_test.cc PARKS poll descriptor LIBRARIES resolv
  ENVIRONMENT UNBLOCK_DEEP=1)
