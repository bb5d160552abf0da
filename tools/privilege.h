#pragma once
// Programs that gain rights when they are started. The loader ignores LD_PRELOAD for them, lest a user run code of his
// own with rights that are not his.

#include <string>

namespace unblock::tools {

// How `program`, executed by this process, would gain rights, as the end of a sentence: "is set-user-id". Empty when it
// would not; so also for a set-user-id program of the very user who runs it.
std::string gained_rights(const std::string& program);

}  // namespace unblock::tools
