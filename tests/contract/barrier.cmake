unblock_contract_test(barrier barrier_test.cc PARKS barrier)
