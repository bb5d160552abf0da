unblock_contract_test(cancel cancel_test.cc PARKS sleep semaphore condition
  NOT_SANITIZED
    asan Cancel.EndsConditionWaitsAndHandlersFindTheMutexHeld "unwinding leaves red zones on the stack"
    tsan Cancel.EndsJoinAndTheOtherThreadCanStillBeJoined "the runtime's pthread_join cannot be cancelled")
unblock_contract_test(cancel_points cancel_points_test.cc PARKS join signal
  NOT_SANITIZED
    tsan CancelPoint.JoinLeavesTheOtherJoinable "the runtime's pthread_join cannot be cancelled"
    tsan AsynchronousCancel.WaitsForTheStateAndTheType "a cancellation inside the runtime's own pthread_setcancelstate is lost")
