#pragma once
// What there is to say of a green thread, field by field: for tables, for JSON, and to sort and filter by.

#include <optional>
#include <variant>

#include "tools/view/symbols.h"
#include "tools/view/waits.h"

namespace unblock::tools::view {

struct Row {
  const Green* green;
  Wait wait;
  std::optional<uint64_t> stack_used;  // bytes; none for one that runs
  uint64_t stack_reserved = 0;
  std::string start;  // the start routine's name
};

// Rows for all of `greens`, which must outlive them.
std::vector<Row> rows_of(const Greens& source, const std::vector<Green>& greens, Symbols& symbols);

// Nothing, a number (seconds, bytes, a count), or a text.
using Value = std::variant<std::monostate, double, std::string>;

struct Column {
  const char* name;
  const char* meaning;
  Value (*of)(const Row& row);
};

const std::vector<Column>& columns();
// Throws Failure when there is no such column.
const Column& column(const std::string& name);

// Sorts by a column, descending when its name begins with '-'. What has no value comes last.
void sort_rows(std::vector<Row>& rows, const std::string& by);

// Keeps the rows for which all terms hold: FIELD=TEXT, FIELD!=TEXT, FIELD~TEXT (contains it), FIELD<NUMBER,
// FIELD>NUMBER, joined with commas. Numbers may have a unit: ns us ms s m h, or K M G.
void filter_rows(std::vector<Row>& rows, const std::string& expression);

// For people: 3 s as "3.0s", 70000 bytes as "68K".
std::string text_of_seconds(std::optional<double> nanoseconds);
std::string text_of_bytes(uint64_t bytes);
// Control characters, which a thread's name may contain, become question marks.
std::string printable(std::string text);

}  // namespace unblock::tools::view
