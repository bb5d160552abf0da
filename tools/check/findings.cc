#include "tools/check/findings.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>

#include <algorithm>
#include <set>

#include "tools/check/code_scan.h"
#include "tools/check/elf_code.h"
#include "tools/check/loader_search.h"
#include "tools/file_head.h"

namespace unblock::tools {
namespace {

// The libraries of the GNU C library, by the beginnings of their names. What they import is not judged: calls among
// them never pass by us.
bool is_part_of_libc(const LoadedObject& object) {
  std::string name = object.file.soname.empty() ? base_name(object.path) : object.file.soname;
  for (const char* part : {"libc.so.6", "libpthread.so.0", "libm.so.6", "libmvec.so.1", "libdl.so.2", "librt.so.1",
                           "libresolv.so.2", "libutil.so.1", "libanl.so.1", "libnsl.so.1", "ld-linux"}) {
    if (name.starts_with(part)) return true;
  }
  return false;
}

std::string places(const std::vector<uint64_t>& addresses) {
  char text[64];
  snprintf(text, sizeof text, "%zu place%s, the first at 0x%" PRIx64, addresses.size(),
           addresses.size() == 1 ? "" : "s", addresses.front());
  return text;
}

class Examination {
 public:
  explicit Examination(Findings& findings) : findings_(findings) {}

  void examine(const ElfFile& program) {
    LoadedObjects objects = loaded_objects(findings_.program, program);
    for (const std::string& name : objects.not_found) {
      findings_.is_complete = false;
      warn("not_found", findings_.program, "cannot be loaded: there is no " + name);
    }
    for (const auto& object : objects.found) {
      if (object != objects.found.front()) findings_.libraries.push_back(object->path);
      if (is_part_of_libc(*object)) read_libc(*object);
    }
    for (const auto& object : objects.found) {
      if (!is_part_of_libc(*object)) examine_object(*object, object == objects.found.front());
    }
  }

 private:
  void warn(const char* kind, const std::string& object, const std::string& text) {
    findings_.warnings.push_back({kind, object, text});
  }

  void read_libc(const LoadedObject& object) {
    ElfCode code(object.path);
    calls_of_libc_.insert(code.exported().begin(), code.exported().end());
  }

  void examine_object(const LoadedObject& object, bool is_program) {
    ElfCode code(object.path);
    if (!code.has_symbols()) {
      findings_.is_complete = false;
      warn("no_symbols", object.path, "has no table of dynamic symbols: what it calls is not known");
    }
    for (const std::string& name : code.imported()) {
      if (calls_of_libc_.contains(name)) findings_.calls[name].push_back(object.path);
      if (name == "dlmopen") warn("dlmopen", object.path, "may load libraries into namespaces of their own (dlmopen)");
    }
    if (is_program) examine_exports(object, code);
    examine_code(object, code);
  }

  // The program itself stands before every library, the preloaded ones included.
  void examine_exports(const LoadedObject& object, const ElfCode& code) {
    std::string names;
    for (const std::string& name : code.exported()) {
      if (is_interposed(name)) names += (names.empty() ? "" : ", ") + name;
    }
    if (!names.empty()) warn("exports", object.path, "exports functions that stand before unblock's: " + names);
  }

  void examine_code(const LoadedObject& object, const ElfCode& code) {
    if (object.file.machine != EM_X86_64) return;
    CodeFindings found = scan_code(code);
    if (!found.system_calls.empty()) {
      warn("inline_system_calls", object.path,
           "may make system calls past libc (" + places(found.system_calls) +
               "): those that wait hold their OS thread, and the monitor hands the processor on");
    }
    if (!found.deep_binds.empty()) {
      warn("deep_bind", object.path,
           "may call dlopen with RTLD_DEEPBIND (" + places(found.deep_binds) + "): that flag is dropped");
    }
  }

  Findings& findings_;
  std::set<std::string> calls_of_libc_;
};

}  // namespace

std::vector<std::string> Findings::calls_of(CallClass kind) const {
  std::vector<std::string> names;
  for (const auto& [name, importers] : calls) {
    if (class_of_call(name) == kind) names.push_back(name);
  }
  return names;
}

Findings examine(const Program& program, const ElfFile& library) {
  Findings findings;
  findings.asked = findings.program = program.path;
  findings.judgement = program.judgement;
  if (!findings.judgement.path.empty()) findings.program = findings.judgement.path;
  std::optional<ElfFile> file = FileHead(findings.program).read_elf();
  if (!file) {
    findings.is_complete = false;
    findings.warnings.push_back({"unreadable", findings.program, "cannot be read as an ELF file"});
  } else if (file->is_dynamic && file->is_for_same_machine(library)) {
    Examination(findings).examine(*file);
  }
  return findings;
}

}  // namespace unblock::tools
