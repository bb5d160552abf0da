unblock_contract_test(lock_stress lock_stress_test.cc PARKS mutex rwlock semaphore condition barrier sleep
  NOT_SANITIZED tsan Kinds/MutexStress.CountsWhatItGuards/*
    "the runtime does not watch pthread_mutex_clocklock: what it guards looks unguarded")
# By operations it takes too long where each costs many times as much.
set(short "")
if(UNBLOCK_SANITIZE)
  set(short SOAK_SECONDS=10)
endif()
unblock_contract_test(soak soak_test.cc PARKS mutex condition semaphore rwlock join descriptor sleep
  ENVIRONMENT ${short})

# The same for ten minutes: two in each of its five runs, or the whole of it in each run under a sanitizer.
set(seconds 120)
if(UNBLOCK_SANITIZE)
  set(seconds 600)
endif()
unblock_contract_test(soak_long soak_test.cc PARKS mutex condition semaphore rwlock join descriptor sleep
  ENVIRONMENT SOAK_SECONDS=${seconds} TIMEOUT 800 LONG SERIAL)
