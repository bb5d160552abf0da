# Options for code that runs inside the preloaded library: libc is all it may need at run time.
function(unblock_runtime_options target)
  target_compile_options(${target} PRIVATE
    -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -ftls-model=initial-exec
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-builtin-printf>
    -fcf-protection=none -fno-plt -fasynchronous-unwind-tables -U_FORTIFY_SOURCE
    -mfsgsbase)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
endfunction()
