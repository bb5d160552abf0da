# Small servers in C with a thread for each connection.
unblock_program_test_twice(tinyproxy tinyproxy_test.py TIMEOUT 240)
unblock_program_test_twice(microsocks microsocks_test.py TIMEOUT 240)
unblock_program_test_twice(stunnel stunnel_test.py TIMEOUT 240)
