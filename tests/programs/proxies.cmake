# Servers in C: most with a thread for each connection, one with event loops.
unblock_server_test(tinyproxy tinyproxy_test.py)
unblock_server_test(microsocks microsocks_test.py)
unblock_server_test(stunnel stunnel_test.py)
unblock_server_test(nginx nginx_test.py)
