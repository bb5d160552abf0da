#include "tools/check/elf_code.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

namespace unblock::tools {
namespace {

// Limits for files that were made to keep us busy.
constexpr size_t most_symbols = 4'000'000;

template <class T>
T read_at(std::string_view bytes, size_t offset) {
  T value{};
  if (offset <= bytes.size() && sizeof value <= bytes.size() - offset) memcpy(&value, &bytes[offset], sizeof value);
  return value;
}

// Calls `use` with each section of `type` and its data.
template <class Use>
void for_each_section(Elf* elf, uint32_t type, Use use) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type != type) continue;
    if (Elf_Data* data = elf_getdata(section, nullptr)) use(header, data);
  }
}

// Calls `use` with each program header of `type`.
template <class Use>
void for_each_segment(Elf* elf, uint32_t type, Use use) {
  size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return;
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf, i, &header) != nullptr && header.p_type == type) use(header);
  }
}

std::string_view bytes_of(Elf* elf, const GElf_Phdr& segment) {
  const Elf_Data* data = elf_getdata_rawchunk(elf, segment.p_offset, segment.p_filesz, ELF_T_BYTE);
  if (data == nullptr || data->d_buf == nullptr) return "";
  return {static_cast<const char*>(data->d_buf), data->d_size};
}

void sort_and_unify(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

ElfCode::ElfCode(const std::string& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  elf_version(EV_CURRENT);
  elf_ = elf_begin(descriptor_, ELF_C_READ, nullptr);
  if (elf_ == nullptr || elf_kind(elf_) != ELF_K_ELF) return;
  read_symbols();
  read_code();
  read_functions();
  read_slots();
}

ElfCode::~ElfCode() {
  elf_end(elf_);
  if (descriptor_ >= 0) close(descriptor_);
}

void ElfCode::read_symbols() {
  for_each_section(elf_, SHT_DYNSYM, [&](const GElf_Shdr& header, Elf_Data* data) {
    has_symbols_ = true;
    GElf_Sym symbol;
    for (size_t i = 1; i < most_symbols && gelf_getsym(data, i, &symbol) != nullptr; ++i) {
      const char* name = elf_strptr(elf_, header.sh_link, symbol.st_name);
      if (name == nullptr || *name == '\0' || GELF_ST_BIND(symbol.st_info) == STB_LOCAL) continue;
      (symbol.st_shndx == SHN_UNDEF ? imported_ : exported_).emplace_back(name);
    }
  });
  sort_and_unify(imported_);
  sort_and_unify(exported_);
}

void ElfCode::read_code() {
  for_each_segment(elf_, PT_LOAD, [&](const GElf_Phdr& segment) {
    if ((segment.p_flags & PF_X) != 0) code_.push_back({segment.p_vaddr, bytes_of(elf_, segment)});
  });
}

// The sorted table of .eh_frame_hdr, in the one encoding that linkers write: offsets from the table, of 32 bits.
void ElfCode::read_functions() {
  for_each_segment(elf_, PT_GNU_EH_FRAME, [&](const GElf_Phdr& segment) {
    std::string_view bytes = bytes_of(elf_, segment);
    constexpr std::string_view encodings("\x01\x1b\x03\x3b", 4);
    constexpr size_t head = 12, entry = 8;
    if (!bytes.starts_with(encodings)) return;
    size_t count = std::min<size_t>(read_at<uint32_t>(bytes, 8), (bytes.size() - std::min(bytes.size(), head)) / entry);
    for (size_t i = 0; i < count; ++i) {
      functions_.push_back(segment.p_vaddr + int64_t(read_at<int32_t>(bytes, head + i * entry)));
    }
  });
  std::sort(functions_.begin(), functions_.end());
}

void ElfCode::read_slots() {
  for_each_section(elf_, SHT_RELA, [&](const GElf_Shdr& header, Elf_Data* data) {
    Elf_Scn* section = elf_getscn(elf_, header.sh_link);
    GElf_Shdr symbols_header;
    Elf_Data* symbols = section != nullptr ? elf_getdata(section, nullptr) : nullptr;
    if (symbols == nullptr || gelf_getshdr(section, &symbols_header) == nullptr) return;
    GElf_Rela relocation;
    for (size_t i = 0; i < most_symbols && gelf_getrela(data, i, &relocation) != nullptr; ++i) {
      GElf_Sym symbol;
      size_t index = GELF_R_SYM(relocation.r_info);
      if (index == 0 || gelf_getsym(symbols, index, &symbol) == nullptr || symbol.st_shndx != SHN_UNDEF) continue;
      const char* name = elf_strptr(elf_, symbols_header.sh_link, symbol.st_name);
      if (name != nullptr) slots_.push_back({relocation.r_offset, name});
    }
  });
  std::sort(slots_.begin(), slots_.end(),
            [](const Slot& one, const Slot& other) { return one.address < other.address; });
}

std::optional<uint64_t> ElfCode::function_at(uint64_t address) const {
  auto after = std::upper_bound(functions_.begin(), functions_.end(), address);
  if (after == functions_.begin()) return {};
  return *std::prev(after);
}

std::string_view ElfCode::bytes_from(uint64_t address) const {
  for (const Segment& segment : code_) {
    if (address >= segment.address && address - segment.address < segment.bytes.size()) {
      return segment.bytes.substr(address - segment.address);
    }
  }
  return "";
}

std::string ElfCode::import_called_at(uint64_t address) const {
  std::string_view bytes = bytes_from(address);
  // An entry is `jmp *slot(%rip)`, perhaps behind endbr64 and with a bnd prefix.
  size_t at = bytes.starts_with("\xf3\x0f\x1e\xfa") ? 4 : 0;
  if (bytes.substr(at).starts_with("\xf2")) ++at;
  if (!bytes.substr(at).starts_with("\xff\x25")) return "";
  return import_of_slot(address + at + 6 + int64_t(read_at<int32_t>(bytes, at + 2)));
}

std::string ElfCode::import_of_slot(uint64_t slot) const {
  auto found = std::lower_bound(slots_.begin(), slots_.end(), slot,
                                [](const Slot& one, uint64_t address) { return one.address < address; });
  return found != slots_.end() && found->address == slot ? found->name : "";
}

}  // namespace unblock::tools
