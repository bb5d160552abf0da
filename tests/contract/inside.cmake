# What libc does inside itself.
unblock_contract_test(inside_libc inside_libc_test.cc PARKS poll descriptor LIBRARIES resolv ENVIRONMENT UNBLOCK_DEEP=1)
