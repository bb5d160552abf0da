#include "tools/check/report.h"

#include <iomanip>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

namespace unblock::tools {
namespace {

using Names = std::vector<std::string>;

constexpr size_t width = 80;
constexpr std::string_view indent = "    ";

const char* explanation_of(CallClass kind) {
  switch (kind) {
    case CallClass::parks: return "wait without an OS thread";
    case CallClass::region: return "block an OS thread each while they wait; another takes over";
    case CallClass::held: return "block an OS thread inside libc; another takes over soon";
    case CallClass::passes: return "do not wait";
    case CallClass::missing: return "differ under unblock";
  }
  return "";
}

// Words behind `margin`, on as many lines as they need.
void print_words(std::ostream& out, const Names& words, std::string_view margin = indent) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty() && margin.size() + line.size() + 1 + word.size() > width) {
      out << margin << line << '\n';
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  if (!line.empty()) out << margin << line << '\n';
}

Names words_of(std::string_view text) {
  std::istringstream stream{std::string(text)};
  return {std::istream_iterator<std::string>(stream), {}};
}

Names base_names(const Names& paths) {
  Names names;
  for (const std::string& path : paths) names.push_back(base_name(path));
  return names;
}

std::string joined(const Names& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

void print_missing(std::ostream& out, const Findings& findings, const Names& names) {
  for (const std::string& name : names) {
    print_words(out, words_of(name + ": " + std::string(reason_of_call(name)) + "; called by " +
                              joined(base_names(findings.calls.at(name)))));
  }
}

void print_class(std::ostream& out, const Findings& findings, CallClass kind, bool all) {
  Names names = findings.calls_of(kind);
  out << std::setw(6) << names.size() << "  " << std::setw(8) << std::left << word_of(kind) << std::right
      << explanation_of(kind) << '\n';
  if (kind == CallClass::missing) {
    print_missing(out, findings, names);
  } else if (kind != CallClass::passes || all) {
    print_words(out, names);
  }
}

nlohmann::ordered_json calls_json(const Findings& findings) {
  nlohmann::ordered_json classes;
  for (CallClass kind : all_call_classes) {
    nlohmann::ordered_json& calls = classes[std::string(word_of(kind))] = nlohmann::ordered_json::object();
    for (const std::string& name : findings.calls_of(kind)) {
      calls[name]["called_by"] = findings.calls.at(name);
      if (kind == CallClass::missing) calls[name]["reason"] = reason_of_call(name);
    }
  }
  return classes;
}

}  // namespace

std::string text_of(const Findings& findings, bool all) {
  std::ostringstream out;
  out << findings.asked;
  if (findings.program != findings.asked) out << ", which runs in " << findings.program;
  out << ", " << findings.libraries.size() << (findings.libraries.size() == 1 ? " library" : " libraries") << '\n';
  if (findings.judgement.verdict != Judgement::Verdict::green) {
    out << "unblock cannot help: it " << findings.judgement.reason << '\n';
  }
  for (CallClass kind : all_call_classes) print_class(out, findings, kind, all);
  for (const Warning& warning : findings.warnings) {
    out << "warning: " << warning.file << '\n';
    print_words(out, words_of(warning.text));
  }
  return out.str();
}

std::string json_of(const Findings& findings) {
  nlohmann::ordered_json object;
  object["program"] = findings.asked;
  object["runs_in"] = findings.program;
  object["helped"] = findings.judgement.verdict == Judgement::Verdict::green;
  object["reason"] = findings.judgement.reason;
  object["complete"] = findings.is_complete;
  object["libraries"] = findings.libraries;
  object["calls"] = calls_json(findings);
  object["warnings"] = nlohmann::ordered_json::array();
  for (const Warning& each : findings.warnings) {
    object["warnings"].push_back({{"kind", each.kind}, {"file", each.file}, {"text", each.text}});
  }
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace unblock::tools
