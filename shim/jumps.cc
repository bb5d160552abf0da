// longjmp(3) and its kin. A jump out of a signal handler puts back the mask that was saved, by a system call inside
// libc that nobody sees; so the thread is told here, just before, which mask it is about to have.

#include <setjmp.h>
#include <ucontext.h>

#include "shim/lifecycle.h"
#include "shim/real.h"
#include "shim/signals.h"

using namespace unblock;

namespace {

void expect_mask_of(const __jmp_buf_tag* buffer) {
  if (!buffer->__mask_was_saved || !lifecycle::on_green()) return;
  signals::kernel_has_mask(*this_thread(), buffer->__saved_mask.__val[0]);
}

unsigned long mask_of(const ucontext_t* context) {
  return *reinterpret_cast<const unsigned long*>(&context->uc_sigmask);
}

}  // namespace

// siglongjmp(3).
INTERPOSED void siglongjmp(sigjmp_buf buffer, int value) noexcept {
  expect_mask_of(buffer);
  real::siglongjmp(buffer, value);
  __builtin_unreachable();
}

// longjmp(3).
INTERPOSED void longjmp(jmp_buf buffer, int value) noexcept {
  expect_mask_of(buffer);
  real::longjmp(buffer, value);
  __builtin_unreachable();
}
INTERPOSED void _longjmp(jmp_buf buffer, int value) noexcept {
  expect_mask_of(buffer);
  real::_longjmp(buffer, value);
  __builtin_unreachable();
}
INTERPOSED void __longjmp_chk(jmp_buf buffer, int value) noexcept {
  expect_mask_of(buffer);
  real::__longjmp_chk(buffer, value);
  __builtin_unreachable();
}

// setcontext(3).
INTERPOSED int setcontext(const ucontext_t* context) noexcept {
  if (lifecycle::on_green()) signals::kernel_has_mask(*this_thread(), mask_of(context));
  return real::setcontext(context);
}

// swapcontext(3). Who comes back here may have been sent by the end of a context (uc_link), which nobody sees: the
// kernel is asked which mask it has.
INTERPOSED int swapcontext(ucontext_t* from, const ucontext_t* to) noexcept {
  if (!lifecycle::on_green()) return real::swapcontext(from, to);
  signals::kernel_has_mask(*this_thread(), mask_of(to));
  int result = real::swapcontext(from, to);
  signals::ask_kernel_for_mask(*this_thread());
  return result;
}
