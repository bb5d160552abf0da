#include "tools/commands.h"

#include "tools/check/check.h"
#include "tools/view/name_lines.h"
#include "tools/view/ps.h"
#include "tools/view/stack.h"
#include "tools/view/stats.h"
#include "tools/view/top.h"
#include "tools/view/trace.h"

namespace unblock::tools {
namespace {

constexpr Command commands[] = {
    {"check", check},
    {"ps", view::ps},
    {"top", view::top},
    {"stack", view::stack},
    {"stats", view::stats},
    {"trace", view::trace},
    {"name-lines", view::name_lines},
};

}  // namespace

const Command* find_command(const std::string& word) {
  for (const Command& each : commands) {
    if (word == each.name) return &each;
  }
  return nullptr;
}

}  // namespace unblock::tools
