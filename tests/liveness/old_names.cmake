# A sanitizer does not know these names: it would see one half of a lock.
if(NOT UNBLOCK_SANITIZE)
  unblock_liveness_test(old_names old_names_test.cc PARKS descriptor poll mutex rwlock once sleep signal child)
endif()
