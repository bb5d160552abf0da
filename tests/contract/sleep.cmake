unblock_contract_test(sleep sleep_test.cc PARKS sleep)
unblock_contract_test(cpu_clock cpu_clock_test.cc PARKS join sleep
  NOT_SANITIZED tsan Timer.RunsAFunctionOnAThread "the runtime faults in a thread that libc starts for itself")
