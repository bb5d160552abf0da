unblock_contract_test(std_lock std_lock_test.cc PARKS mutex condition futex)
