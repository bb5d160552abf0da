# Sanitizers for everything that is built here: the library, the tests and the samples.
#
# gcc links the runtimes as shared libraries, and each must be the first library of its process. A preloaded
# libunblock.so would stand before it, so tests preload the runtime ahead of the library: UNBLOCK_SANITIZER_RUNTIME.
# What names its default libraries itself adds UNBLOCK_SANITIZER_LIBRARIES.
set(UNBLOCK_SANITIZE "" CACHE STRING "Sanitizers for library and tests: empty, 'address,undefined' or 'thread'")
set(UNBLOCK_SANITIZER_RUNTIME "")
set(UNBLOCK_SANITIZER_LIBRARIES "")
set(UNBLOCK_SANITIZER_ENVIRONMENT "")
# Environments of tests whose programs end by a fault, or close what another thread uses, on purpose.
set(UNBLOCK_FAULTS_ARE_THE_PROGRAMS "")
set(UNBLOCK_RACES_ARE_MEANT "")
set(UNBLOCK_TEST_PREFIX "")

if(UNBLOCK_SANITIZE)
  add_compile_options(-fsanitize=${UNBLOCK_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${UNBLOCK_SANITIZE})
  if(UNBLOCK_SANITIZE MATCHES "thread")
    set(unblock_runtime_name libtsan.so)
    set(UNBLOCK_SANITIZER_ENVIRONMENT "TSAN_OPTIONS=die_after_fork=0:report_mutex_bugs=0:atexit_sleep_ms=0:\
suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.suppressions")
    set(UNBLOCK_FAULTS_ARE_THE_PROGRAMS ${UNBLOCK_SANITIZER_ENVIRONMENT}:handle_segv=0)
    set(UNBLOCK_RACES_ARE_MEANT ${UNBLOCK_SANITIZER_ENVIRONMENT}:report_bugs=0)
    set(UNBLOCK_TEST_PREFIX tsan.)
  else()
    set(unblock_runtime_name libasan.so)
    set(UNBLOCK_SANITIZER_LIBRARIES -lasan -lubsan)
    # Leaks are looked for from the stacks of OS threads, and most of ours are elsewhere; tests/flatness finds ours. An
    # alternate signal stack is for the program to ask for.
    set(UNBLOCK_SANITIZER_ENVIRONMENT
      UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0)
    set(UNBLOCK_FAULTS_ARE_THE_PROGRAMS ${UNBLOCK_SANITIZER_ENVIRONMENT}:handle_segv=0)
    set(UNBLOCK_TEST_PREFIX asan.)
  endif()
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${unblock_runtime_name}
    OUTPUT_VARIABLE unblock_runtime_path OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  get_filename_component(UNBLOCK_SANITIZER_RUNTIME ${unblock_runtime_path} REALPATH)
endif()
