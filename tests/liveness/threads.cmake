unblock_liveness_test(lock lock_test.cc PARKS mutex rwlock spin)
unblock_liveness_test(wakeup wakeup_test.cc PARKS condition semaphore barrier once futex join)
unblock_liveness_test(pause pause_test.cc PARKS sleep signal child)
