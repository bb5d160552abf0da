unblock_contract_test(futex futex_test.cc PARKS futex)
