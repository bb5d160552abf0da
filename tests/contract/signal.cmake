unblock_contract_test(signal_mask signal_mask_test.cc PARKS sleep)
unblock_contract_test(signal_thread signal_thread_test.cc PARKS mutex condition
  NOT_SANITIZED
    tsan DirectedSignal.RunsItsHandlerInTheThreadThatWaitsForAMutex:DirectedSignal.RunsItsHandlerInTheThreadThatReads
      "the runtime puts a handler off while its thread is in a call that it does not take for a blocking one")
unblock_contract_test(signal_interrupt signal_interrupt_test.cc PARKS semaphore sleep
  NOT_SANITIZED
    tsan Restarted.ReadGoesOn:Restarted.RecvAndAcceptGoOn:Restarted.WaitpidGoesOn:Restarted.FutexWaitGoesOn
      "the runtime puts a handler off while its thread is in a call that it does not take for a blocking one")
unblock_contract_test(signal_wait signal_wait_test.cc PARKS join signal
  NOT_SANITIZED tsan SignalWait.ForASetOrATimeThatIsNowhereIsEfault "the runtime reads the time before libc does")
unblock_contract_test(signal_stack signal_stack_test.cc PARKS sleep)
unblock_contract_test(signal_process signal_process_test.cc PARKS join)
unblock_contract_test(signal_queue signal_queue_test.cc)
unblock_contract_test(signal_realtime signal_realtime_test.cc PARKS join
  NOT_SANITIZED
    tsan DirectedQueue.Handlers*:DirectedQueue.TgkillBySyscallTellsSiTkill:DirectedQueue.SyscallsThatQueueReachTheThread
      "the runtime puts handlers off, and keeps one signal of a kind"
    tsan SentToOnesOwnProcess.*:Handler.NodeferLetsItselfIn "the runtime puts handlers off")
unblock_contract_test(signal_jump signal_jump_test.cc PARKS join signal
  NOT_SANITIZED
    asan Setcontext.PutsTheMaskBack "setcontext goes back into a frame whose variables the runtime thinks are gone"
    tsan Names/Jump.* "the runtime does not follow a jump by each of its names")
unblock_contract_test(signal_styles signal_styles_test.cc PARKS join signal)
unblock_contract_test(signal_pending signal_pending_test.cc)
