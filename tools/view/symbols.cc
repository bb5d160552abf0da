#include "tools/view/symbols.h"

#include <cxxabi.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/view/failures.h"

namespace unblock::tools::view {
namespace {

char* debug_path = nullptr;  // libdw's default

const Dwfl_Callbacks callbacks_for_processes = {
    .find_elf = dwfl_linux_proc_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = nullptr,
    .debuginfo_path = &debug_path,
};
const Dwfl_Callbacks callbacks_for_cores = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = nullptr,
    .debuginfo_path = &debug_path,
};

std::string demangled(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = status == 0 ? text : name;
  free(text);
  return result.substr(0, result.find("@@"));  // the version of libc's symbols
}

}  // namespace

std::string hexadecimal(uint64_t number) {
  char text[24];
  snprintf(text, sizeof text, "0x%lx", (unsigned long)number);
  return text;
}

Symbols::Symbols(const Target& target)
    : dwfl_(dwfl_begin(target.is_live() ? &callbacks_for_processes : &callbacks_for_cores)) {
  if (dwfl_ == nullptr) fail(exit_own_failure, std::string("libdw: ") + dwfl_errmsg(-1));
  int error = target.is_live() ? dwfl_linux_proc_report(dwfl_.get(), target.pid())
                               : dwfl_core_file_report(dwfl_.get(), target.elf(), nullptr) < 0;
  if (error != 0) {
    target.explain_failed_read();
    fail(exit_damaged, target.name() + ": " + dwfl_errmsg(-1));
  }
  dwfl_report_end(dwfl_.get(), nullptr, nullptr);
}

Place Symbols::place_of(uint64_t address, bool is_return_address) const {
  uint64_t wanted = is_return_address ? address - 1 : address;
  Place place;
  Dwfl_Module* module = dwfl_addrmodule(dwfl_.get(), wanted);
  if (module == nullptr) return place;
  if (const char* file = dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr)) {
    place.module = file;
  }
  if (const char* name = dwfl_module_addrname(module, wanted)) place.function = demangled(name);
  Dwfl_Line* line = dwfl_module_getsrc(module, wanted);
  if (line == nullptr) return place;
  if (const char* file = dwfl_lineinfo(line, nullptr, &place.line, nullptr, nullptr, nullptr)) place.file = file;
  return place;
}

const std::string& Symbols::function_at(uint64_t address) {
  auto [found, is_new] = functions_.try_emplace(address);
  if (!is_new) return found->second;
  Dwfl_Module* module = dwfl_addrmodule(dwfl_.get(), address);
  const char* name = module != nullptr ? dwfl_module_addrname(module, address) : nullptr;
  found->second = name != nullptr ? demangled(name) : hexadecimal(address);
  return found->second;
}

}  // namespace unblock::tools::view
