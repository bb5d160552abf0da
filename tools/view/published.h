#pragma once
// The layout that the library in the target has published of itself (shim/layout.h): the only thing that is known of
// its records.

#include <map>
#include <utility>

#include "tools/view/target.h"

namespace unblock::tools::view {

// Where in a record something stands.
struct Field {
  uint32_t offset = 0, size = 0;

  // The number there in a copy of the record; what is longer than eight bytes is cut.
  uint64_t of(const char* record) const;
  std::string text_of(const char* record) const;
};

class Published {
 public:
  // Finds it. Throws Failure when the target has no unblock, or one with another version of the layout.
  explicit Published(const Target& target);

  // Each throws Failure when the library does not publish that name.
  uint64_t root(const std::string& name) const;
  Field field(const std::string& record, const std::string& name) const;
  // A field of the record `record` that stands in another one at `base`.
  Field field(const std::string& record, const std::string& name, Field base) const;
  uint64_t value(const std::string& record, const std::string& name) const;
  uint32_t size_of(const std::string& record) const { return field(record, "").size; }

  bool has_field(const std::string& record, const std::string& name) const {
    return fields_.count({record, name}) != 0;
  }
  // Does the field lie in a record of `size` bytes?
  bool fits(Field field, uint64_t size) const;
  // Throws the Failure that says so.
  [[noreturn]] void is_damaged() const;

  // The name of `number` in the enumeration `record`; "?" when it has none.
  std::string name_of(const std::string& record, uint64_t number) const;

  const std::string& library_version() const { return library_version_; }
  uint64_t fingerprint() const { return fingerprint_; }
  uint64_t address() const { return address_; }

 private:
  using Name = std::pair<std::string, std::string>;

  void find(const Target& target);
  void parse(const std::vector<char>& block);
  [[noreturn]] void lacks(const std::string& what) const;

  std::string target_name_, library_version_;
  uint64_t fingerprint_ = 0, address_ = 0;
  std::map<std::string, uint64_t> roots_;
  std::map<Name, Field> fields_;
  std::map<Name, uint64_t> values_;
};

}  // namespace unblock::tools::view
