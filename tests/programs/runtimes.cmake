# Language runtimes that bring threads of their own to each of the program's.
unblock_program_test_twice(cpython cpython_test.py TIMEOUT 240)
unblock_program_test_twice(openjdk openjdk_test.py TIMEOUT 240)
