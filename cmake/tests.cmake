# How tests are registered. Every folder under tests/ uses these functions and nothing else. In contract/, liveness/ and
# programs/ each family keeps its own list, FAMILY.cmake, so that two families never edit one file.
#
#   unblock_contract_test(NAME file.cc [PARKS kind…] [COUNTS statistic…] [options])
#     One GoogleTest binary that knows nothing of us. contract.NAME.libc runs it plainly: libc is the judge.
#     contract.NAME.unblock and .unblock1, .unblock2, .unblock4 (so many processors) run it under the library; the
#     runner then asserts from the exit statistics that the library was active, that the program parked (on one
#     processor in each of the kinds named, parks_KIND > 0), and that each statistic named after COUNTS is above 0.
#
#   unblock_departure_test(NAME file.cc [PARKS kind…] [COUNTS statistic…] [options])
#     The same binary shape, run under the library only: where it departs from Linux on purpose.
#
#   unblock_liveness_test(NAME file.cc [PARKS kind…] [COUNTS statistic…] [options])
#     The same binary shape, run plainly and then on one processor with the monitor off, so that nothing rescues a call
#     that keeps its carrier: deadlock is the failure.
#
#   unblock_scheduler_test(NAME file.cc… [options])
#     A GoogleTest binary that links the scheduler itself, without the shim.
#
#   unblock_program_test(NAME script.py [ARGS…] [options])    unblock_house_test(NAME script.py [ARGS…] [options])
#     A Python script; UNBLOCK_BUILD_DIR and UNBLOCK_SOURCE_DIR are in its environment.
#
# Options: ARGS (of the binary or script), LIBRARIES (linked), ENVIRONMENT (NAME=value…), TIMEOUT seconds,
# LONG (only `scripts/test --long` runs it), SERIAL (it has the machine to itself), NOT_SANITIZED.
#
# With UNBLOCK_SANITIZE the names begin with asan. or tsan.; programs and house tests, which do not differ, are left out,
# and so are the runs on 1 and 2 processors. NOT_SANITIZED leaves out single cases of the binary: triples of the
# sanitizer (asan or tsan), the cases (GoogleTest patterns with : between them, * for all), and why. The reason must be the
# sanitizer's: what is red under the library alone is a bug of ours. not_sanitized.tsv in the build folder lists them
# all; tests/house/not_sanitized_test.py counts them and finds those that match nothing.
include_guard()

find_package(GTest REQUIRED)
find_package(Threads REQUIRED)
find_program(UNBLOCK_PYTHON python3 HINTS /usr/bin REQUIRED)

set(UNBLOCK_TEST_PROCESSORS 1 2 4)
if(UNBLOCK_SANITIZE)
  set(UNBLOCK_TEST_PROCESSORS 4)
endif()
set(UNBLOCK_RUNNER ${PROJECT_SOURCE_DIR}/tests/run_under_unblock)
set(UNBLOCK_TEST_MAIN ${PROJECT_SOURCE_DIR}/tests/contract/main.cc)

# Parses the options of the calling function into arg_NAME.
macro(unblock_parse_options)
  cmake_parse_arguments(PARSE_ARGV 2 arg "LONG;SERIAL" "TIMEOUT" "ARGS;LIBRARIES;ENVIRONMENT;PARKS;COUNTS;NOT_SANITIZED")
endmacro()

# Adds to the arguments of a binary, arg_ARGS, what leaves out the cases that this build's sanitizer cannot judge.
macro(unblock_leave_out target)
  unblock_note_left_out(${target} unsuitable ${arg_NOT_SANITIZED})
  if(unsuitable STREQUAL *)
    return()
  endif()
  if(unsuitable)
    list(APPEND arg_ARGS --gtest_filter=-${unsuitable})
  endif()
endmacro()

function(unblock_note_left_out target result)
  set(unsuitable "")
  while(ARGN)
    list(POP_FRONT ARGN sanitizer cases reason)
    if(NOT sanitizer MATCHES "^(asan|tsan)$" OR NOT reason MATCHES " ")
      message(FATAL_ERROR "${target}: NOT_SANITIZED takes asan or tsan; the cases; the reason")
    endif()
    set_property(GLOBAL APPEND_STRING PROPERTY unblock_left_out "${target}\t${sanitizer}\t${cases}\t${reason}\n")
    if("${sanitizer}." STREQUAL UNBLOCK_TEST_PREFIX)
      list(APPEND unsuitable ${cases})
    endif()
  endwhile()
  list(JOIN unsuitable : unsuitable)
  set(${result} "${unsuitable}" PARENT_SCOPE)
endfunction()

# Writes the list of what was left out so far: binary, sanitizer, cases, reason.
function(unblock_list_left_out)
  get_property(left_out GLOBAL PROPERTY unblock_left_out)
  file(WRITE ${CMAKE_BINARY_DIR}/not_sanitized.tsv "${left_out}")
endfunction()

function(unblock_contract_test name)
  unblock_parse_options()
  unblock_unaware_binary(contract.${name} ${ARGV1})
  unblock_leave_out(contract.${name})
  unblock_register(contract.${name}.libc contract "$<TARGET_FILE:contract.${name}>;${arg_ARGS}")
  unblock_register_under_unblock(contract.${name}.unblock contract contract.${name})
  foreach(processors ${UNBLOCK_TEST_PROCESSORS})
    unblock_register_under_unblock(contract.${name}.unblock${processors} contract contract.${name}
      --processors ${processors})
  endforeach()
endfunction()

function(unblock_departure_test name)
  unblock_parse_options()
  unblock_unaware_binary(departure.${name} ${ARGV1})
  unblock_leave_out(departure.${name})
  foreach(processors ${UNBLOCK_TEST_PROCESSORS})
    unblock_register_under_unblock(departure.${name}.unblock${processors} contract departure.${name}
      --processors ${processors})
  endforeach()
endfunction()

function(unblock_liveness_test name)
  unblock_parse_options()
  unblock_unaware_binary(liveness.${name} ${ARGV1})
  unblock_leave_out(liveness.${name})
  unblock_register(liveness.${name}.libc liveness "$<TARGET_FILE:liveness.${name}>;${arg_ARGS}")
  unblock_register_under_unblock(liveness.${name}.unblock liveness liveness.${name} --processors 1 --no-monitor)
endfunction()

function(unblock_scheduler_test name)
  unblock_parse_options()
  add_executable(scheduler.${name} ${ARGV1} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(scheduler.${name} PRIVATE unblock_scheduler GTest::gtest_main Threads::Threads ${arg_LIBRARIES})
  unblock_register(scheduler.${name} scheduler "$<TARGET_FILE:scheduler.${name}>;${arg_ARGS}")
endfunction()

function(unblock_program_test name)
  if(UNBLOCK_SANITIZE)
    return()
  endif()
  unblock_parse_options()
  unblock_register(programs.${name} programs
    "${UNBLOCK_PYTHON};${CMAKE_CURRENT_SOURCE_DIR}/${ARGV1};${arg_UNPARSED_ARGUMENTS};${arg_ARGS}")
endfunction()

function(unblock_house_test name)
  if(UNBLOCK_SANITIZE)
    return()
  endif()
  unblock_parse_options()
  unblock_register(house.${name} house
    "${UNBLOCK_PYTHON};${CMAKE_CURRENT_SOURCE_DIR}/${ARGV1};${arg_UNPARSED_ARGUMENTS};${arg_ARGS}")
endfunction()

# Builds a binary that knows nothing of us. Its main keeps a second thread waiting in a way that the test itself does
# not claim to park in, so that one kept thread never satisfies a claim.
function(unblock_unaware_binary target source)
  add_executable(${target} ${source})
  set(gate PipeGate)
  if("descriptor" IN_LIST arg_PARKS OR "poll" IN_LIST arg_PARKS)
    set(gate ConditionGate)
  endif()
  if(gate STREQUAL ConditionGate AND "condition" IN_LIST arg_PARKS)
    set(gate SemaphoreGate)
  endif()
  unblock_test_main(${gate} main)
  target_link_libraries(${target} PRIVATE ${main} GTest::gtest Threads::Threads ${arg_LIBRARIES})
endfunction()

# One main for each gate, compiled once for all tests.
function(unblock_test_main gate result)
  set(main unblock_test_main.${gate})
  if(NOT TARGET ${main})
    add_library(${main} OBJECT ${UNBLOCK_TEST_MAIN})
    target_compile_definitions(${main} PRIVATE KEPT_THREAD_GATE=${gate})
  endif()
  set(${result} ${main} PARENT_SCOPE)
endfunction()

function(unblock_register_under_unblock test label target)
  set(claims ${arg_PARKS})
  list(TRANSFORM claims PREPEND --parks=)
  set(counts ${arg_COUNTS})
  list(TRANSFORM counts PREPEND --counts=)
  set(runtime "")
  if(UNBLOCK_SANITIZER_RUNTIME)
    set(runtime --runtime ${UNBLOCK_SANITIZER_RUNTIME})
  endif()
  unblock_timeout(timeout)
  math(EXPR patience "${timeout} - 5")
  unblock_register(${test} ${label} "${UNBLOCK_PYTHON};${UNBLOCK_RUNNER};--library;$<TARGET_FILE:unblock>;${runtime};\
--timeout;${patience};${ARGN};${claims};${counts};--;$<TARGET_FILE:${target}>;${arg_ARGS}")
endfunction()

# Registers one command with CTest; reads the options of the calling function.
function(unblock_register test label command)
  list(REMOVE_ITEM command "")
  string(PREPEND test "${UNBLOCK_TEST_PREFIX}")
  add_test(NAME ${test} COMMAND ${command})
  set(labels ${label})
  if(arg_LONG)
    list(APPEND labels long)
  endif()
  unblock_timeout(timeout)
  set_tests_properties(${test} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout} ENVIRONMENT
    "UNBLOCK_BUILD_DIR=${CMAKE_BINARY_DIR};UNBLOCK_SOURCE_DIR=${PROJECT_SOURCE_DIR};\
${UNBLOCK_SANITIZER_ENVIRONMENT};${arg_ENVIRONMENT}")
  if(arg_SERIAL)
    set_tests_properties(${test} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()

function(unblock_timeout result)
  set(timeout 60)
  if(arg_TIMEOUT)
    set(timeout ${arg_TIMEOUT})
  endif()
  if(UNBLOCK_SANITIZE)
    math(EXPR timeout "3 * ${timeout}")
  endif()
  set(${result} ${timeout} PARENT_SCOPE)
endfunction()

# Includes each FAMILY.cmake beside the calling CMakeLists.txt.
macro(unblock_include_family_lists)
  file(GLOB families CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cmake)
  foreach(family ${families})
    include(${family})
  endforeach()
endmacro()
