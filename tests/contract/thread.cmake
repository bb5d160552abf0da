unblock_contract_test(thread_create thread_create_test.cc COUNTS green_threads_made
  NOT_SANITIZED tsan ThreadCreate.StackSizeOfTheAttributesCanBeUsed:ThreadCreate.RunsOnTheStackThatTheUserSupplies
    "the runtime's own variables take their place on the stack")
unblock_contract_test(thread_attributes thread_attributes_test.cc PARKS join
  NOT_SANITIZED tsan GetattrNp.TellsStackAndGuardSizeThatWereAskedFor
    "the runtime's variables, most of a MiB, come on top of the stack that was asked for")
unblock_contract_test(thread_join thread_join_test.cc PARKS join
  NOT_SANITIZED
    tsan Join.OfOneselfIsEdeadlk:TryJoin.OfOneselfIsEbusy:Forms/TimedJoin.OfOneselfIsEdeadlk/timedjoin
      "the runtime ends the process where libc answers with an error"
    tsan Forms/TimedJoin.*/clockjoin*
      "the runtime does not see pthread_clockjoin_np, and takes the next thread in that place for a second one"
    tsan Detach.ChangesNothingWhileSomebodyJoins "the runtime ends the process when a thread is both joined and detached")
unblock_contract_test(thread_identity thread_identity_test.cc PARKS sleep)
unblock_contract_test(thread_exit thread_exit_test.cc PARKS join)
unblock_contract_test(thread_key thread_key_test.cc PARKS sleep)
unblock_contract_test(thread_local thread_local_test.cc PARKS sleep)
unblock_contract_test(scheduling scheduling_test.cc PARKS join)
unblock_contract_test(os_thread_state os_thread_state_test.cc PARKS join)
unblock_contract_test(allocator_locks allocator_locks_test.cc PARKS sleep
  NOT_SANITIZED
    asan * "the runtime brings the allocator"
    tsan * "the runtime brings the allocator")
