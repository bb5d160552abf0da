unblock_contract_test(cancel cancel_test.cc PARKS sleep semaphore condition
  NOT_SANITIZED Cancel.EndsConditionWaitsAndHandlersFindTheMutexHeld)  # unwinding leaves red zones on the stack
unblock_contract_test(cancel_points cancel_points_test.cc PARKS join signal)
