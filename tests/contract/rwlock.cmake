unblock_contract_test(rwlock rwlock_test.cc PARKS rwlock)
unblock_contract_test(rwlock_timed rwlock_timed_test.cc PARKS rwlock)
