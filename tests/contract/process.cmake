unblock_contract_test(fork fork_test.cc COUNTS green_threads_made
  NOT_SANITIZED
    tsan Fork.ChildOfAThreadEndsWhenThatThreadEnds "the runtime faults at the end of the thread that forked"
    tsan Fork.ChildCanUseThreadsLocksAndSocketsAgain:Fork.FromAnotherThreadWorksAsFromMain:Fork.ChildOfAChildWorksToo
      "the runtime takes a thread of the child for one of the parent's, whose place it got")
unblock_contract_test(atfork atfork_test.cc)
foreach(call quick_exit _Exit)
  unblock_contract_test(leaving_by_${call} leaving_test.cc COUNTS green_threads_made)
  target_compile_definitions(contract.leaving_by_${call} PRIVATE LEAVE=${call})
endforeach()
unblock_contract_test(exec exec_test.cc PARKS join
  NOT_SANITIZED tsan Exec.NewProgram*:Exec.EveryForm*:Exec.SearchingForms*
    "the runtime takes a thread of the child for one of the parent's, whose place it got")
unblock_contract_test(inherited_listener inherited_listener_test.cc PARKS descriptor
  NOT_SANITIZED tsan Every/Exec.* "the runtime takes a thread of the child for one of the parent's, whose place it got")

add_executable(contract_endings programs/endings.cc)
target_link_libraries(contract_endings PRIVATE Threads::Threads)
add_executable(contract_cleanup_of_main programs/cleanup_of_main.c)
target_link_libraries(contract_cleanup_of_main PRIVATE Threads::Threads)
unblock_contract_test(program_end program_end_test.cc ENVIRONMENT ${UNBLOCK_FAULTS_ARE_THE_PROGRAMS}
  NOT_SANITIZED
    tsan *.PthreadExitOfMain*:*.LastThreadToLeave*
      "the runtime's helper is a thread of libc's and outlives all others"
    asan *.MainMayBeCancelledAndJoined:*.CleanupHandlersOfAMainInC* "unwinding leaves red zones on the stack"
    tsan *.MainMayBeCancelledAndJoined:*.CleanupHandlersOfAMainInC* "the runtime cannot join main")
target_compile_definitions(contract.program_end PRIVATE
  ENDINGS_PROGRAM="$<TARGET_FILE:contract_endings>" CLEANUP_PROGRAM="$<TARGET_FILE:contract_cleanup_of_main>")
add_dependencies(contract.program_end contract_endings contract_cleanup_of_main)

foreach(model global-dynamic initial-exec)
  add_library(contract_tls_${model} MODULE programs/tls_module.cc)
  target_compile_options(contract_tls_${model} PRIVATE -ftls-model=${model})
endforeach()
foreach(call dlopen dlmopen)
  unblock_contract_test(${call}_tls dlopen_tls_test.cc PARKS join LIBRARIES ${CMAKE_DL_LIBS})
  target_compile_definitions(contract.${call}_tls PRIVATE
    TLS_GENERAL_DYNAMIC="$<TARGET_FILE:contract_tls_global-dynamic>"
    TLS_INITIAL_EXEC="$<TARGET_FILE:contract_tls_initial-exec>")
  add_dependencies(contract.${call}_tls contract_tls_global-dynamic contract_tls_initial-exec)
endforeach()
target_compile_definitions(contract.dlmopen_tls PRIVATE BY_DLMOPEN)

unblock_contract_test(command command_test.cc PARKS join child)
unblock_contract_test(spawn spawn_test.cc PARKS join)
unblock_contract_test(fork_inheritance fork_inheritance_test.cc PARKS join
  NOT_SANITIZED tsan Fork/ForkInheritance.ThreadDataOfTheOthersIsNotRunDown/*
    "the runtime takes a thread of the child for one of the parent's, whose place it got")
unblock_contract_test(fork_load fork_load_test.cc PARKS join descriptor
  NOT_SANITIZED
    asan ForkUnderLoad.* "another thread may hold a lock of the runtime's at the fork, and the child waits for it"
    tsan ForkUnderLoad.Children*Work:ForkUnderLoad.Grandchildren*
      "the runtime takes a thread of the child for one of the parent's, whose place it got")
unblock_contract_test(vfork vfork_test.cc PARKS join
  NOT_SANITIZED tsan Forkpty.*:Daemon.*
    "the runtime takes a thread of the child for one of the parent's, whose place it got")
unblock_departure_test(death_signal death_signal_test.cc PARKS join)
unblock_contract_test(child_wait child_wait_test.cc PARKS join child
  NOT_SANITIZED tsan Waitpid.AHandlerEndsItUnlessItAsksForARestart
    "the runtime puts a handler off while its thread is in a call that it does not take for a blocking one")
unblock_contract_test(set_id set_id_test.cc COUNTS green_threads_made
  NOT_SANITIZED tsan *
    "the runtime takes a thread of the child for one of the parent's, whose place it got")

add_library(contract_thread_module MODULE programs/thread_module.cc)
target_link_libraries(contract_thread_module PRIVATE Threads::Threads)
unblock_contract_test(dlopen_threads dlopen_threads_test.cc PARKS join LIBRARIES ${CMAKE_DL_LIBS}
  NOT_SANITIZED tsan Models/OpenAndClose.ManyThreadsMayDoItAtOnce/*
    "the loader's lock orders the runs of a constructor, and the runtime does not know it")
target_compile_definitions(contract.dlopen_threads PRIVATE
  TLS_GENERAL_DYNAMIC="$<TARGET_FILE:contract_tls_global-dynamic>"
  TLS_INITIAL_EXEC="$<TARGET_FILE:contract_tls_initial-exec>" THREAD_MODULE="$<TARGET_FILE:contract_thread_module>")
add_dependencies(contract.dlopen_threads
  contract_tls_global-dynamic contract_tls_initial-exec contract_thread_module)
