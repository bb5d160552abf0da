# Descriptors and I/O.
unblock_liveness_test(transfers transfers_test.cc PARKS descriptor)
unblock_liveness_test(connections connections_test.cc PARKS descriptor)
unblock_liveness_test(poll poll_test.cc PARKS poll)
unblock_liveness_test(kinds_of_files kinds_of_files_test.cc PARKS descriptor)
unblock_liveness_test(disk disk_test.cc COUNTS regions)
unblock_liveness_test(stdio stdio_test.cc PARKS descriptor)
unblock_liveness_test(children children_test.cc COUNTS regions)
