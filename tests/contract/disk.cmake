unblock_contract_test(disk disk_test.cc PARKS join COUNTS regions hand_offs)
