unblock_contract_test(futex futex_test.cc PARKS futex
  NOT_SANITIZED tsan Futex.WordThatTheKernelClearsAtTheEndOfAThreadWakesItsWaiter
    "the runtime faults in a thread that clone made")
