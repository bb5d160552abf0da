# Language runtimes that bring threads of their own to each of the program's.
unblock_server_test(cpython cpython_test.py)
unblock_server_test(openjdk openjdk_test.py)
unblock_program_test_twice(cpython_suite cpython_suite_test.py TIMEOUT 3600 LONG)
