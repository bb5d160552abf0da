#include "tools/check/call_class.h"

#include <algorithm>
#include <iterator>

namespace unblock::tools {
namespace {

struct Call {
  std::string_view name;
  CallClass kind;
  bool is_interposed;
  std::string_view reason;
};

constexpr Call calls[] = {
#include "call_classes.inc"
};

constexpr bool operator<(const Call& one, const Call& other) { return one.name < other.name; }

static_assert(std::is_sorted(std::begin(calls), std::end(calls)));

const Call* find(std::string_view name) {
  const Call* call = std::lower_bound(std::begin(calls), std::end(calls), Call{name, {}, {}, {}});
  return call != std::end(calls) && call->name == name ? call : nullptr;
}

}  // namespace

std::string_view word_of(CallClass kind) {
  switch (kind) {
    case CallClass::parks: return "parks";
    case CallClass::region: return "region";
    case CallClass::held: return "held";
    case CallClass::passes: return "passes";
    case CallClass::missing: return "missing";
  }
  return "";
}

CallClass class_of_call(std::string_view name) {
  const Call* call = find(name);
  return call != nullptr ? call->kind : CallClass::passes;
}

bool is_interposed(std::string_view name) {
  const Call* call = find(name);
  return call != nullptr && call->is_interposed;
}

std::string_view reason_of_call(std::string_view name) {
  const Call* call = find(name);
  return call != nullptr ? call->reason : "";
}

}  // namespace unblock::tools
