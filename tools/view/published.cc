#include "tools/view/published.h"

#include <string.h>

#include <algorithm>

#include "shim/layout.h"
#include "tools/view/failures.h"

namespace unblock::tools::view {
namespace {

// No honest block comes near.
constexpr uint32_t most_block_bytes = 1 << 20;
constexpr uint32_t most_record_bytes = 16 << 20;

template <size_t size>
std::string text_of(const char (&bytes)[size]) {
  return std::string(bytes, strnlen(bytes, size));
}

// Where in `bytes`, which stand at `address` in the target, the block begins; -1: nowhere.
ptrdiff_t place_of_header(const std::vector<char>& bytes, uint64_t address) {
  const char* from = bytes.data();
  const char* end = from + bytes.size();
  while (auto found = static_cast<const char*>(memmem(from, end - from, layout::magic, sizeof layout::magic))) {
    layout::Header header;
    if (end - found < (ptrdiff_t)sizeof header) return -1;
    memcpy(&header, found, sizeof header);
    if (reinterpret_cast<uint64_t>(header.self) == address + (found - bytes.data())) return found - bytes.data();
    from = found + 1;
  }
  return -1;
}

bool is_of_library(const Mapping& mapping) {
  return mapping.path.substr(mapping.path.rfind('/') + 1).starts_with("libunblock");
}

// The writable data of files, that of our library first.
std::vector<Mapping> candidates(const Target& target) {
  std::vector<Mapping> result;
  for (const Mapping& each : target.mappings()) {
    if (each.is_writable && each.path.starts_with("/") && each.end > each.begin) result.push_back(each);
  }
  std::stable_partition(result.begin(), result.end(), is_of_library);
  return result;
}

}  // namespace

uint64_t Field::of(const char* record) const {
  uint64_t value = 0;
  memcpy(&value, record + offset, std::min<size_t>(size, sizeof value));
  return value;
}

std::string Field::text_of(const char* record) const {
  return std::string(record + offset, strnlen(record + offset, size));
}

Published::Published(const Target& target) : target_name_(target.name()) { find(target); }

void Published::find(const Target& target) {
  constexpr uint64_t most_data_bytes = 64 << 20;  // larger ones are a program's arrays
  for (const Mapping& each : candidates(target)) {
    std::vector<char> bytes(std::min(each.end - each.begin, most_data_bytes));
    bytes.resize(target.memory().read(each.begin, bytes.data(), bytes.size()));
    ptrdiff_t place = place_of_header(bytes, each.begin);
    if (place < 0) continue;
    address_ = each.begin + place;
    return parse({bytes.begin() + place, bytes.end()});
  }
  target.explain_failed_read();
  fail(exit_not_green, target_name_ + " has no libunblock.so");
}

void Published::parse(const std::vector<char>& block) {
  layout::Header header;
  memcpy(&header, block.data(), sizeof header);
  library_version_ = text_of(header.library);
  fingerprint_ = header.fingerprint;
  if (header.version != layout::version) {
    fail(exit_other_layout, target_name_ + " has unblock " + library_version_ + ", whose layout is version " +
                                std::to_string(header.version) + "; this command reads version " +
                                std::to_string(layout::version));
  }
  auto for_each = [&](uint32_t at, uint32_t count, auto entry, auto use) {
    uint64_t end = at + uint64_t{count} * sizeof entry;
    if (header.size > most_block_bytes || end > header.size || end > block.size()) {
      is_damaged();
    }
    for (uint32_t i = 0; i < count; ++i) {
      memcpy(&entry, block.data() + at + i * sizeof entry, sizeof entry);
      use(entry);
    }
  };
  for_each(header.roots_at, header.root_count, layout::Root{},
           [&](auto& each) { roots_[text_of(each.name)] = reinterpret_cast<uint64_t>(each.address); });
  for_each(header.fields_at, header.field_count, layout::Field{}, [&](auto& each) {
    fields_[{text_of(each.record), text_of(each.name)}] = {each.offset, each.size};
  });
  for_each(header.values_at, header.value_count, layout::Value{}, [&](auto& each) {
    values_[{text_of(each.record), text_of(each.name)}] = each.value;
  });
  for (auto& [name, field] : fields_) {
    auto record = fields_.find({name.first, ""});
    if (!fits(field, record != fields_.end() ? record->second.size : most_record_bytes)) is_damaged();
  }
}

bool Published::fits(Field field, uint64_t size) const {
  return field.size != 0 && size <= most_record_bytes && uint64_t{field.offset} + field.size <= size;
}

void Published::is_damaged() const { fail(exit_damaged, target_name_ + " has a damaged table of its layout"); }

void Published::lacks(const std::string& what) const {
  fail(exit_other_layout, target_name_ + " has unblock " + library_version_ + ", which does not publish " + what +
                              "; use the command of the same version");
}

uint64_t Published::root(const std::string& name) const {
  auto found = roots_.find(name);
  if (found == roots_.end()) lacks(name);
  return found->second;
}

Field Published::field(const std::string& record, const std::string& name) const {
  auto found = fields_.find({record, name});
  if (found == fields_.end()) lacks(record + "." + name);
  return found->second;
}

Field Published::field(const std::string& record, const std::string& name, Field base) const {
  Field found = field(record, name);
  if (!fits(found, base.size)) is_damaged();
  return {base.offset + found.offset, found.size};
}

uint64_t Published::value(const std::string& record, const std::string& name) const {
  auto found = values_.find({record, name});
  if (found == values_.end()) lacks(record + "." + name);
  return found->second;
}

std::string Published::name_of(const std::string& record, uint64_t number) const {
  for (auto& [name, value] : values_) {
    if (name.first == record && value == number) return name.second;
  }
  return "?";
}

}  // namespace unblock::tools::view
