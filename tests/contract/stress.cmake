unblock_contract_test(lock_stress lock_stress_test.cc PARKS mutex rwlock semaphore condition barrier sleep)
