# Database servers: many threads, many kinds of waiting, and data that must be there afterwards.
unblock_server_test(mariadb mariadb_test.py)
unblock_server_test(redis redis_test.py)
