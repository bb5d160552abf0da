unblock_liveness_test(lock lock_test.cc PARKS mutex rwlock spin)
unblock_liveness_test(wakeup wakeup_test.cc PARKS condition semaphore barrier once futex join)
# Waits for signals and children keep an OS thread and give their processor away: they park nothing.
unblock_liveness_test(pause pause_test.cc PARKS sleep signal)
