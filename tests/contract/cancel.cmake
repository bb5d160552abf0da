unblock_contract_test(cancel cancel_test.cc PARKS sleep semaphore condition)
