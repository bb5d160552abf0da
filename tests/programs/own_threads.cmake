# Programs that use threads in their own way, and servers beside other owners of malloc.
if(UNBLOCK_SANITIZE)
  return()
endif()
find_package(OpenMP REQUIRED COMPONENTS C)
add_executable(openmp_program openmp_program.c)
target_link_libraries(openmp_program PRIVATE OpenMP::OpenMP_C Threads::Threads)
unblock_program_test_twice(own_threads own_threads_test.py TIMEOUT 120)

add_executable(line_server line_server.cc)
target_link_libraries(line_server PRIVATE Threads::Threads)
# The runtime is linked statically: as a library it would have to be the first of the process.
add_executable(line_server_asan line_server.cc)
target_compile_options(line_server_asan PRIVATE -fsanitize=address)
target_link_options(line_server_asan PRIVATE -fsanitize=address -static-libasan)
target_link_libraries(line_server_asan PRIVATE Threads::Threads)
unblock_program_test_twice(allocators allocators_test.py TIMEOUT 120)

# The runtimes are libraries here, and the command puts them where they must be.
foreach(sanitizer address thread)
  string(SUBSTRING ${sanitizer} 0 1 initial)
  add_executable(watched_servers_${initial}san watched_servers.cc)
  target_compile_options(watched_servers_${initial}san PRIVATE -fsanitize=${sanitizer})
  target_link_options(watched_servers_${initial}san PRIVATE -fsanitize=${sanitizer})
  target_link_libraries(watched_servers_${initial}san PRIVATE Threads::Threads)
endforeach()
unblock_program_test_twice(sanitizers sanitizers_test.py TIMEOUT 120)
