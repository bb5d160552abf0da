# Descriptors and I/O.
unblock_contract_test(recv recv_test.cc PARKS descriptor)
unblock_contract_test(send send_test.cc PARKS descriptor)
unblock_contract_test(datagram datagram_test.cc PARKS descriptor)
unblock_contract_test(accept accept_test.cc PARKS descriptor)
unblock_contract_test(connect connect_test.cc PARKS descriptor)
unblock_contract_test(read_write read_write_test.cc PARKS descriptor)
unblock_contract_test(poll poll_test.cc PARKS poll)
