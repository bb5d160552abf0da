#include "tools/elf_file.h"

#include <gelf.h>
#include <libelf.h>

#include <memory>

namespace unblock::tools {
namespace {

struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfEnd>;

// Calls `use` with each program header of the kind `type`.
template <class Use>
void for_each_segment(Elf* elf, uint32_t type, Use use) {
  size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return;
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf, i, &header) == nullptr) return;
    if (header.p_type == type) use(header);
  }
}

// The zero-terminated string at `offset`; empty when it does not end within `size` bytes or lies outside the file.
std::string string_at(Elf* elf, uint64_t offset, uint64_t size) {
  const Elf_Data* data = elf_getdata_rawchunk(elf, offset, size, ELF_T_BYTE);
  if (data == nullptr || data->d_buf == nullptr) return "";
  std::string text(static_cast<const char*>(data->d_buf), data->d_size);
  size_t end = text.find('\0');
  return end == std::string::npos ? "" : text.substr(0, end);
}

// The place in the file of the byte that is loaded at `address`, and how many bytes of its segment follow.
struct Place {
  uint64_t offset = 0;
  uint64_t size = 0;
};

Place place_of(Elf* elf, uint64_t address) {
  Place place;
  for_each_segment(elf, PT_LOAD, [&](const GElf_Phdr& segment) {
    if (address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz) return;
    uint64_t skipped = address - segment.p_vaddr;
    place = {segment.p_offset + skipped, segment.p_filesz - skipped};
  });
  return place;
}

// Calls `use` with each entry of the dynamic section.
template <class Use>
void for_each_dynamic(Elf* elf, Use use) {
  for_each_segment(elf, PT_DYNAMIC, [&](const GElf_Phdr& segment) {
    Elf_Data* data = elf_getdata_rawchunk(elf, segment.p_offset, segment.p_filesz, ELF_T_DYN);
    if (data == nullptr) return;
    GElf_Dyn entry;
    for (int i = 0; gelf_getdyn(data, i, &entry) != nullptr && entry.d_tag != DT_NULL; ++i) use(entry);
  });
}

void read_dynamic(Elf* elf, ElfFile& file) {
  Place strings;
  for_each_dynamic(elf, [&](const GElf_Dyn& entry) {
    file.is_dynamic = true;
    if (entry.d_tag == DT_STRTAB) strings = place_of(elf, entry.d_un.d_ptr);
  });
  auto string = [&](uint64_t index) -> std::string {
    constexpr uint64_t longest = 4096;
    if (index >= strings.size) return "";
    return string_at(elf, strings.offset + index, std::min(strings.size - index, longest));
  };
  for_each_dynamic(elf, [&](const GElf_Dyn& entry) {
    if (entry.d_tag == DT_NEEDED) file.needed.push_back(string(entry.d_un.d_val));
    if (entry.d_tag == DT_SONAME) file.soname = string(entry.d_un.d_val);
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
  bool has_segments = false;
  for_each_segment(elf.get(), PT_LOAD, [&](const GElf_Phdr&) { has_segments = true; });
  for_each_segment(elf.get(), PT_INTERP, [&](const GElf_Phdr& segment) {
    file.interpreter = string_at(elf.get(), segment.p_offset, segment.p_filesz);
  });
  read_dynamic(elf.get(), file);
  if (file.is_loadable() && !has_segments) return {};
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
