#pragma once
// Findings as text.

#include <string>

#include "tools/check/findings.h"

namespace unblock::tools {

// Lines of at most 80 columns for people, as far as paths allow. The calls that pass are counted; `all` lists them too.
std::string text_of(const Findings& findings, bool all);

// One JSON object.
std::string json_of(const Findings& findings);

}  // namespace unblock::tools
