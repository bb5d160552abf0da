unblock_contract_test(once once_test.cc PARKS once futex
  NOT_SANITIZED tsan *.Exception*:PthreadOnce.ThreadThatEndsInsideLetsTheNextOneTry:PthreadOnce.CancelledInitialiserLetsAWaiterTry
    "the runtime has a pthread_once of its own, which an initialiser must not leave by other ways than its end")
