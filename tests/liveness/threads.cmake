unblock_liveness_test(lock lock_test.cc PARKS mutex rwlock spin)
unblock_liveness_test(wakeup wakeup_test.cc PARKS condition semaphore barrier once futex join
  NOT_SANITIZED
    tsan Cnd.WaitAndTimedwait "the runtime does not watch C11 locks: what they guard looks unguarded"
    tsan Once.PthreadOnce:Once.StdCallOnce:Once.StaticLocal
      "the runtime has a pthread_once and guards of its own, which wait in the kernel"
    tsan Join.Clockjoin "the runtime does not see pthread_clockjoin_np, and so not what it orders"
    tsan Join.ThrdJoin "the runtime does not see thrd_create, and faults in a thread that it does not know")
unblock_liveness_test(pause pause_test.cc PARKS sleep signal child)
