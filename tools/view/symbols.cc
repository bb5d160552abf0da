#include "tools/view/symbols.h"

#include <cxxabi.h>
#include <dwarf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#include "tools/view/failures.h"

namespace unblock::tools::view {
namespace {

char* debug_path = nullptr;  // libdw's default

// The file that the process has mapped. `data` is the process, once somebody may ask.
int find_mapped_file(Dwfl_Module* module, void** data, const char* name, Dwarf_Addr base, char** path, Elf** elf) {
  auto target = static_cast<const Target*>(*data);
  int file = target != nullptr ? target->open_mapped_file(base) : -1;
  if (file < 0) return dwfl_linux_proc_find_elf(module, data, name, base, path, elf);
  *path = strdup(name);
  return file;
}

const Dwfl_Callbacks callbacks_for_processes = {
    .find_elf = find_mapped_file,
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

Dwarf_Word number_of(Dwarf_Die& die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word number = 0;
  return dwarf_formudata(dwarf_attr_integrate(&die, name, &attribute), &number) == 0 ? number : 0;
}

std::string name_of(Dwarf_Die& die) {
  Dwarf_Attribute attribute;
  for (unsigned name : {DW_AT_linkage_name, DW_AT_name}) {
    if (const char* text = dwarf_formstring(dwarf_attr_integrate(&die, name, &attribute))) return demangled(text);
  }
  return "";
}

// Where the inlined function `die` was called.
std::string call_file(Dwarf_Die& die, Dwarf_Die* unit) {
  Dwarf_Files* files = nullptr;
  if (dwarf_getsrcfiles(unit, &files, nullptr) != 0) return "";
  const char* file = dwarf_filesrc(files, number_of(die, DW_AT_call_file), nullptr, nullptr);
  return file != nullptr ? file : "";
}

using Scopes = std::unique_ptr<Dwarf_Die, decltype(&free)>;

// The functions that were inlined at `address` of the unit, the innermost first.
std::vector<Dwarf_Die> inlined_at(Dwarf_Die* unit, Dwarf_Addr address) {
  auto is_function = [](Dwarf_Die& die) {
    return dwarf_tag(&die) == DW_TAG_inlined_subroutine || dwarf_tag(&die) == DW_TAG_subprogram;
  };
  std::vector<Dwarf_Die> result;
  Dwarf_Die* found = nullptr;
  int count = dwarf_getscopes(unit, address, &found);
  Scopes scopes(found, free);
  if (count <= 0) return result;
  Dwarf_Die* innermost = std::find_if(found, found + count, is_function);
  if (innermost == found + count) return result;
  // Beyond an inlined function those scopes are the ones in which it was written; where it was put, its parents tell.
  Dwarf_Die* parents = nullptr;
  count = dwarf_getscopes_die(innermost, &parents);
  Scopes chain(parents, free);
  for (int i = 0; i < count && dwarf_tag(&parents[i]) != DW_TAG_subprogram; ++i) {
    if (dwarf_tag(&parents[i]) == DW_TAG_inlined_subroutine) result.push_back(parents[i]);
  }
  return result;
}

}  // namespace

std::string demangled(const char* name) {
  int status = -1;
  // The demangler takes other names for those of types: "w" would be wchar_t.
  bool is_mangled = strncmp(name, "_Z", 2) == 0;
  char* text = is_mangled ? abi::__cxa_demangle(name, nullptr, nullptr, &status) : nullptr;
  std::string result = status == 0 ? text : name;
  free(text);
  return result.substr(0, result.find("@@"));
}

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
  auto note_target = [](Dwfl_Module*, void** data, const char*, Dwarf_Addr, void* target) {
    *data = target;
    return (int)DWARF_CB_OK;
  };
  if (target.is_live()) dwfl_getmodules(dwfl_.get(), note_target, const_cast<Target*>(&target), 0);
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

std::vector<Place> Symbols::places_of(uint64_t address, bool is_return_address) const {
  Place whole = place_of(address, is_return_address);
  uint64_t wanted = is_return_address ? address - 1 : address;
  Dwarf_Addr bias = 0;
  Dwfl_Module* module = dwfl_addrmodule(dwfl_.get(), wanted);
  Dwarf_Die* unit = module != nullptr ? dwfl_module_addrdie(module, wanted, &bias) : nullptr;
  std::vector<Place> places;
  for (Dwarf_Die& each : unit != nullptr ? inlined_at(unit, wanted - bias) : std::vector<Dwarf_Die>()) {
    Place inlined = whole;  // its line is the innermost one's; what was inlined into whom is known from there on
    inlined.function = name_of(each);
    places.push_back(inlined);
    whole.file = call_file(each, unit);
    whole.line = (int)number_of(each, DW_AT_call_line);
  }
  places.push_back(whole);
  return places;
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
