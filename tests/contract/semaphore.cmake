unblock_contract_test(semaphore semaphore_test.cc PARKS semaphore)
