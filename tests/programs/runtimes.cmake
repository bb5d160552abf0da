# Language runtimes that bring threads of their own to each of the program's.
unblock_server_test(cpython cpython_test.py)
unblock_server_test(openjdk openjdk_test.py)
unblock_program_test(cpython_suite cpython_suite_test.py --under unblock TIMEOUT 7200 LONG SERIAL)
