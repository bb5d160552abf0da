# Threads that never let go, beside threads that have work to do, on one processor.
add_executable(hog_server hog_server.c)
target_link_libraries(hog_server PRIVATE Threads::Threads)
unblock_program_test_twice(hogs hog_test.py TIMEOUT 120 ENVIRONMENT UNBLOCK_PROCESSORS=1)
