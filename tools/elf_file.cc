#include "tools/elf_file.h"

#include <gelf.h>
#include <libelf.h>

#include <memory>
#include <string_view>

namespace unblock::tools {
namespace {

struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfEnd>;

// Limits for files that were made to keep us busy: no honest program comes near.
constexpr size_t longest_name = 4096;
constexpr size_t most_needed = 4096;

// The first program header for which `matches` is true.
template <class Matches>
std::optional<GElf_Phdr> find_segment(Elf* elf, Matches matches) {
  size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return {};
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf, i, &header) == nullptr) return {};
    if (matches(header)) return header;
  }
  return {};
}

std::optional<GElf_Phdr> find_segment_of_type(Elf* elf, uint32_t type) {
  return find_segment(elf, [&](const GElf_Phdr& header) { return header.p_type == type; });
}

// A part of the file; empty when it does not lie in the file. It lives as long as `elf`.
std::string_view bytes_at(Elf* elf, uint64_t offset, uint64_t size) {
  const Elf_Data* data = elf_getdata_rawchunk(elf, offset, size, ELF_T_BYTE);
  if (data == nullptr || data->d_buf == nullptr) return "";
  return {static_cast<const char*>(data->d_buf), data->d_size};
}

// The zero-terminated string at `offset` of `bytes`; empty when it does not end there.
std::string string_in(std::string_view bytes, uint64_t offset) {
  if (offset >= bytes.size()) return "";
  std::string_view text = bytes.substr(offset, longest_name);
  size_t end = text.find('\0');
  return std::string(text.substr(0, end == text.npos ? 0 : end));
}

// What the file holds of the memory from `address` to the end of its segment.
std::string_view bytes_at_address(Elf* elf, uint64_t address) {
  std::optional<GElf_Phdr> segment = find_segment(elf, [&](const GElf_Phdr& header) {
    return header.p_type == PT_LOAD && address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz;
  });
  if (!segment) return "";
  uint64_t skipped = address - segment->p_vaddr;
  return bytes_at(elf, segment->p_offset + skipped, segment->p_filesz - skipped);
}

// Calls `use` with each entry of the dynamic section `data`.
template <class Use>
void for_each_entry(Elf_Data* data, Use use) {
  GElf_Dyn entry;
  for (int i = 0; gelf_getdyn(data, i, &entry) != nullptr && entry.d_tag != DT_NULL; ++i) use(entry);
}

void read_dynamic(Elf* elf, ElfFile& file) {
  std::optional<GElf_Phdr> segment = find_segment_of_type(elf, PT_DYNAMIC);
  if (!segment) return;
  Elf_Data* data = elf_getdata_rawchunk(elf, segment->p_offset, segment->p_filesz, ELF_T_DYN);
  if (data == nullptr) return;
  file.is_dynamic = true;
  uint64_t strings_address = 0;
  for_each_entry(data, [&](const GElf_Dyn& entry) {
    if (entry.d_tag == DT_STRTAB) strings_address = entry.d_un.d_ptr;
  });
  std::string_view strings = bytes_at_address(elf, strings_address);
  for_each_entry(data, [&](const GElf_Dyn& entry) {
    if (entry.d_tag == DT_SONAME) file.soname = string_in(strings, entry.d_un.d_val);
    if (entry.d_tag == DT_RPATH) file.rpath = string_in(strings, entry.d_un.d_val);
    if (entry.d_tag == DT_RUNPATH) file.runpath = string_in(strings, entry.d_un.d_val);
    if (entry.d_tag == DT_FLAGS_1) file.flags_1 = entry.d_un.d_val;
    if (entry.d_tag != DT_NEEDED || file.needed.size() == most_needed) return;
    file.needed.push_back(string_in(strings, entry.d_un.d_val));
  });
}

}  // namespace

std::optional<ElfFile> read_elf(int descriptor) {
  elf_version(EV_CURRENT);
  // Read, not mapped: a file that shrinks meanwhile must not end us with SIGBUS.
  ElfHandle elf(elf_begin(descriptor, ELF_C_READ, nullptr));
  GElf_Ehdr header;
  if (elf == nullptr || elf_kind(elf.get()) != ELF_K_ELF || gelf_getehdr(elf.get(), &header) == nullptr) return {};
  ElfFile file;
  file.type = header.e_type;
  file.machine = header.e_machine;
  file.is_64_bit = header.e_ident[EI_CLASS] == ELFCLASS64;
  if (file.is_loadable() && !find_segment_of_type(elf.get(), PT_LOAD)) return {};
  if (auto segment = find_segment_of_type(elf.get(), PT_INTERP)) {
    file.interpreter = string_in(bytes_at(elf.get(), segment->p_offset, segment->p_filesz), 0);
  }
  read_dynamic(elf.get(), file);
  return file;
}

bool ElfFile::is_loadable() const { return type == ET_EXEC || type == ET_DYN; }

bool ElfFile::is_for_same_machine(const ElfFile& other) const {
  return machine == other.machine && is_64_bit == other.is_64_bit;
}

std::string ElfFile::machine_name() const {
  switch (machine) {
    case EM_X86_64: return is_64_bit ? "x86-64" : "x86-64 with 32-bit pointers";
    case EM_386: return "32-bit x86";
    case EM_AARCH64: return "AArch64";
    case EM_ARM: return "32-bit ARM";
    case EM_RISCV: return is_64_bit ? "64-bit RISC-V" : "32-bit RISC-V";
    case EM_PPC64: return "64-bit PowerPC";
    case EM_S390: return "S/390";
    case EM_MIPS: return "MIPS";
    default: return "machine type " + std::to_string(machine);
  }
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace unblock::tools
