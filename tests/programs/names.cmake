# Programs that look names up.
unblock_program_test_twice(name_lookups name_lookups_test.py TIMEOUT 120)
unblock_program_test_twice(curl_names curl_names_test.py TIMEOUT 120)
