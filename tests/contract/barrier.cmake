unblock_contract_test(barrier barrier_test.cc PARKS barrier
  NOT_SANITIZED
    tsan Barrier.MayBeDestroyedByWhoeverPassedIt "the runtime itself reads a barrier after the wait")
