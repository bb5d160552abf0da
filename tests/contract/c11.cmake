unblock_contract_test(c11_thread c11_thread_test.cc PARKS sleep join
  NOT_SANITIZED tsan Thrd.*:ThrdSleep.SignalEndsItWithMinusOneAndTheRemainder:Tss.*
    "the runtime does not see thrd_create, and faults in a thread that it does not know")
unblock_contract_test(c11_lock c11_lock_test.cc PARKS mutex condition
  NOT_SANITIZED tsan Kinds/EveryMtx.ExcludesEvenWhenTheHolderYields/*:Cnd.EachSignalWakesAWaiter:Cnd.BroadcastWakesAll
    "the runtime does not watch C11 locks: what they guard looks unguarded")
