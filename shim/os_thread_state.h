#pragma once
// What the kernel keeps for an OS thread and a call changes: credentials, capabilities, namespaces, filters, keyrings,
// personality. Whoever changes such a thing gets an OS thread of his own first, which ends with him: so it never reaches
// another green thread.

namespace unblock::os_thread_state {

// The caller is about to change it.
void about_to_change();

// Does this system call, made through syscall(2), change it?
bool is_changed_by(long number);

}  // namespace unblock::os_thread_state
