# Descriptors and I/O.
unblock_contract_test(recv recv_test.cc PARKS descriptor)
unblock_contract_test(send send_test.cc PARKS descriptor)
unblock_contract_test(datagram datagram_test.cc PARKS descriptor)
unblock_contract_test(accept accept_test.cc PARKS descriptor)
unblock_contract_test(connect connect_test.cc PARKS descriptor)
unblock_contract_test(read_write read_write_test.cc PARKS descriptor)
unblock_contract_test(poll poll_test.cc PARKS poll)
unblock_contract_test(select select_test.cc PARKS poll)
unblock_contract_test(epoll epoll_test.cc)  # its waits keep an OS thread, and so park nowhere
unblock_contract_test(timeouts timeouts_test.cc PARKS descriptor)
unblock_contract_test(vectors vectors_test.cc PARKS descriptor)
unblock_contract_test(messages messages_test.cc PARKS descriptor)
unblock_contract_test(passed_descriptors passed_descriptors_test.cc PARKS descriptor)
unblock_contract_test(urgent_data urgent_data_test.cc PARKS descriptor)
unblock_contract_test(interrupted interrupted_test.cc PARKS descriptor poll
  NOT_SANITIZED tsan Interrupted.ReadsAreRestartedIfAsked:Interrupted.AcceptIsRestartedIfAsked
    "the runtime puts a handler off while its thread is in a call that it does not take for a blocking one")
unblock_contract_test(kinds_of_files kinds_of_files_test.cc PARKS descriptor)
unblock_contract_test(flags flags_test.cc PARKS descriptor)
unblock_contract_test(shared_descriptions shared_descriptions_test.cc PARKS descriptor
  NOT_SANITIZED tsan ForkedChild.PollsAndAcceptsWithThreadsOfItsOwn
    "the runtime takes a thread of the child for one of the parent's, whose place it got")
unblock_contract_test(descriptor_numbers descriptor_numbers_test.cc PARKS descriptor)
unblock_contract_test(births births_test.cc PARKS descriptor)
unblock_contract_test(fortified fortified_test.cc PARKS descriptor poll)
set_source_files_properties(fortified_test.cc PROPERTIES COMPILE_OPTIONS -O1)  # the checked twins need the optimiser
unblock_contract_test(stdio stdio_test.cc PARKS descriptor)
unblock_contract_test(standard_streams standard_streams_test.cc PARKS descriptor COUNTS regions)
unblock_contract_test(splice splice_test.cc PARKS descriptor)
unblock_contract_test(file_locks file_locks_test.cc COUNTS regions)
unblock_contract_test(full_duplex full_duplex_test.cc PARKS descriptor)
unblock_contract_test(random_descriptors random_descriptors_test.cc PARKS descriptor TIMEOUT 120)
unblock_departure_test(evicted_waiters evicted_waiters_test.cc PARKS descriptor ENVIRONMENT ${UNBLOCK_RACES_ARE_MEANT})
