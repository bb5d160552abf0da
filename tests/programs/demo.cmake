# The demo itself, with fewer clients: every answer right, and no more OS threads than it allows.
unblock_program_test(demo ../../scripts/side_by_side.py --build ${CMAKE_BINARY_DIR} --clients 500 --requests 3 SERIAL
  TIMEOUT 120)
