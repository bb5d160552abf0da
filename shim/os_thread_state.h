#pragma once
// What the kernel keeps for an OS thread and a call changes: credentials, capabilities, namespaces, filters, keyrings,
// personality. Whoever changes such a thing gets an OS thread of his own first, which ends with him: so it never reaches
// another green thread, except the threads that he makes from then on: they inherit it, as natively, and each has an OS
// thread made by his.

namespace unblock::os_thread_state {

// The caller is about to change it. Where there is no other OS thread yet, in the child of a fork, the process changes
// as a whole: those that come inherit it.
void about_to_change();

// Does this system call, made through syscall(2), change it?
bool is_changed_by(long number);

}  // namespace unblock::os_thread_state
