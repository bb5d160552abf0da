# Database servers: many threads, many kinds of waiting, and data that must be there afterwards.
unblock_program_test_twice(mariadb mariadb_test.py TIMEOUT 300)
