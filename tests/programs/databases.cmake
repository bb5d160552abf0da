# Database servers: many threads, many kinds of waiting, and data that must be there afterwards.
unblock_server_test(mariadb mariadb_test.py)
unblock_program_test(mariadb_seen mariadb_seen_test.py --under unblock TIMEOUT 300 SERIAL)
unblock_server_test(redis redis_test.py)
