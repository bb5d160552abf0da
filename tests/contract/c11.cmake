unblock_contract_test(c11_thread c11_thread_test.cc PARKS sleep join)
unblock_contract_test(c11_lock c11_lock_test.cc PARKS mutex condition)
