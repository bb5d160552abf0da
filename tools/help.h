#pragma once
// The texts that --help and --version print.

#include <string_view>

namespace unblock::tools {

extern const std::string_view help_text;
extern const std::string_view version_text;

}  // namespace unblock::tools
