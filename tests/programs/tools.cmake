# Shells, compilers and other tools that inherit the preload.
unblock_program_test_twice(tools tools_test.py TIMEOUT 240)
