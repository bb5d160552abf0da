unblock_contract_test(once once_test.cc PARKS once futex)
