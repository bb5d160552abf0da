#include "shim/glibc/entry_code.h"

namespace unblock::glibc {
namespace {

constexpr uint8_t jump = 0xe9, short_jump = 0xeb, two_byte = 0x0f;

int32_t read32(const uint8_t* bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | bytes[i];
  return (int32_t)value;
}

void write32(uint8_t* bytes, int32_t value) {
  for (int i = 0; i < 4; ++i) bytes[i] = (uint8_t)((uint32_t)value >> 8 * i);
}

// The distance from the end of an instruction; false when it does not fit.
bool distance(const uint8_t* end, const uint8_t* target, int32_t& result) {
  intptr_t wide = reinterpret_cast<intptr_t>(target) - reinterpret_cast<intptr_t>(end);
  result = (int32_t)wide;
  return result == wide;
}

// An instruction that we know: its length, and where in it a distance of four bytes stands (0: nowhere).
struct Instruction {
  size_t length;
  size_t distance_at;
  bool short_condition;  // a conditional jump with a distance of one byte
};

constexpr Instruction unknown = {0, 0, false};

// The form of the operand byte: two registers; a place relative to the instruction; or one on the stack.
bool is_register(uint8_t operand) { return operand >= 0xc0; }
bool is_relative(uint8_t operand) { return (operand & 0xc7) == 0x05; }
bool is_near_stack(uint8_t operand, uint8_t base) { return (operand & 0xc7) == 0x44 && base == 0x24; }

Instruction with_operand(const uint8_t* code, size_t prefix, size_t constant) {
  uint8_t operand = code[prefix + 1];
  if (is_register(operand)) return {prefix + 2 + constant, 0, false};
  if (is_relative(operand)) return {prefix + 6 + constant, prefix + 2, false};
  if (is_near_stack(operand, code[prefix + 2])) return {prefix + 4 + constant, 0, false};
  return unknown;
}

bool is_wide(const uint8_t* code, size_t prefix) { return prefix == 1 && (code[0] & 8) != 0; }

// Those that compilers begin functions with. None makes a system call: a thread that sleeps in one would return into
// the middle of our jump.
Instruction decode(const uint8_t* code) {
  size_t prefix = (code[0] & 0xf0) == 0x40 ? 1 : 0;  // REX
  uint8_t operation = code[prefix];
  if (code[0] == 0x64) {  // mov %fs:distance, register
    size_t rex = (code[1] & 0xf0) == 0x40 ? 1 : 0;
    bool known = code[1 + rex] == 0x8b && (code[2 + rex] & 0xc7) == 0x04 && code[3 + rex] == 0x25;
    return known ? Instruction{8 + rex, 0, false} : unknown;
  }
  if (operation >= 0x50 && operation <= 0x57) return {prefix + 1, 0, false};  // push register
  if (operation == 0x6a && prefix == 0) return {2, 0, false};                 // push constant
  if (operation >= 0xb8 && operation <= 0xbf) return {prefix + (is_wide(code, prefix) ? 9 : 5), 0, false};  // mov
  if (operation >= 0x70 && operation <= 0x7f && prefix == 0) return {2, 0, true};                           // jump if
  switch (operation) {
    case 0x29:  // sub, xor, cmp, test, mov, lea
    case 0x31:
    case 0x33:
    case 0x39:
    case 0x85:
    case 0x89:
    case 0x8b:
    case 0x8d: return with_operand(code, prefix, 0);
    case 0x80:  // the same with a constant
    case 0x83: return with_operand(code, prefix, 1);
    case 0x81: return with_operand(code, prefix, 4);
  }
  return unknown;
}

// Does some jump at `at` lead to a place from `begin` to before `end`? Every byte is taken for the beginning of one, so
// the answer may be yes where there is none.
bool may_jump_into(const uint8_t* at, const uint8_t* stop, const uint8_t* begin, const uint8_t* end) {
  auto leads_in = [&](const uint8_t* target) { return target >= begin && target < end; };
  bool is_short = (*at >= 0x70 && *at <= 0x7f) || *at == short_jump || (*at >= 0xe0 && *at <= 0xe3);
  if (is_short && at + 2 <= stop && leads_in(at + 2 + (int8_t)at[1])) return true;
  if (*at == jump && at + 5 <= stop && leads_in(at + 5 + read32(at + 1))) return true;
  bool is_long = *at == two_byte && at + 6 <= stop && at[1] >= 0x80 && at[1] <= 0x8f;
  return is_long && leads_in(at + 6 + read32(at + 2));
}

bool append_jump(EntryPlan& plan, const uint8_t* copy_address, const uint8_t* target) {
  if (plan.copy_size + jump_size > copy_room) return false;
  uint8_t* at = plan.copy + plan.copy_size;
  at[0] = jump;
  int32_t offset;
  plan.copy_size += jump_size;
  if (!distance(copy_address + plan.copy_size, target, offset)) return false;
  write32(at + 1, offset);
  return true;
}

// A jump of two bytes becomes one of six, since its target is now far away.
bool append_condition(EntryPlan& plan, const uint8_t* copy_address, const uint8_t* code) {
  if (plan.copy_size + 6 > copy_room) return false;
  uint8_t* at = plan.copy + plan.copy_size;
  at[0] = two_byte;
  at[1] = (uint8_t)(code[0] + 0x10);
  int32_t offset;
  plan.copy_size += 6;
  if (!distance(copy_address + plan.copy_size, code + 2 + (int8_t)code[1], offset)) return false;
  write32(at + 2, offset);
  return true;
}

bool append(EntryPlan& plan, const uint8_t* copy_address, const uint8_t* code, const Instruction& instruction) {
  if (instruction.short_condition) return append_condition(plan, copy_address, code);
  if (plan.copy_size + instruction.length > copy_room) return false;
  uint8_t* at = plan.copy + plan.copy_size;
  for (size_t i = 0; i < instruction.length; ++i) at[i] = code[i];
  plan.copy_size += instruction.length;
  if (instruction.distance_at == 0) return true;
  const uint8_t* named = code + instruction.length + read32(code + instruction.distance_at);
  int32_t offset;
  if (!distance(copy_address + plan.copy_size, named, offset)) return false;
  write32(at + instruction.distance_at, offset);
  return true;
}

bool begins_with_branch_mark(const uint8_t* code) {  // endbr64
  return code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e && code[3] == 0xfa;
}

}  // namespace

bool plan_entry(uint8_t* function, size_t size, const uint8_t* copy_address, EntryPlan& plan) {
  plan.place = function + (begins_with_branch_mark(function) ? 4 : 0);
  plan.copy_size = 0;
  const uint8_t *next = plan.place, *stop = function + size;
  while (next < plan.place + jump_size) {
    if (next >= stop) return false;
    Instruction instruction = decode(next);
    if (instruction.length == 0 || !append(plan, copy_address, next, instruction)) return false;
    next += instruction.length;
  }
  if (next > stop) return false;
  for (const uint8_t* at = plan.place; at < stop; ++at) {
    if (may_jump_into(at, stop, function, plan.place + jump_size)) return false;
  }
  return append_jump(plan, copy_address, next);
}

bool encode_jump(const uint8_t* place, const void* target, uint8_t (&bytes)[jump_size]) {
  int32_t offset;
  bytes[0] = jump;
  if (!distance(place + jump_size, static_cast<const uint8_t*>(target), offset)) return false;
  write32(bytes + 1, offset);
  return true;
}

}  // namespace unblock::glibc
