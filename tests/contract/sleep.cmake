unblock_contract_test(sleep sleep_test.cc PARKS sleep)
