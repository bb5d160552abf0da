# Programs under the filters of a careful operator.
unblock_program_test(confined confined_test.py TIMEOUT 240)
