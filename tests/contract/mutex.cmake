unblock_contract_test(mutex mutex_test.cc PARKS mutex)
unblock_contract_test(mutex_timed mutex_timed_test.cc PARKS mutex)
unblock_contract_test(mutex_robust mutex_robust_test.cc PARKS mutex)
unblock_contract_test(mutex_shared mutex_shared_test.cc)
