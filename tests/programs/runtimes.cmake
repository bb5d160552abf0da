# Language runtimes that bring threads of their own to each of the program's.
unblock_server_test(cpython cpython_test.py)
unblock_server_test(openjdk openjdk_test.py)
