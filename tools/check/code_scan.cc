#include "tools/check/code_scan.h"

#include <capstone/capstone.h>
#include <dlfcn.h>
#include <string.h>

#include <algorithm>
#include <optional>

namespace unblock::tools {
namespace {

constexpr std::string_view syscall_bytes("\x0f\x05", 2);

// An instruction that sets up dlopen's second argument stands at most so many bytes before the call.
constexpr size_t farthest_call = 48;

// Where no table tells the function, decoding begins this far ahead: x86 code falls into step within a few instructions.
constexpr uint64_t run_up = 64;

class Decoder {
 public:
  Decoder() : is_open_(cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) == CS_ERR_OK) {
    if (is_open_) instruction_ = cs_malloc(handle_);
  }
  ~Decoder() {
    if (!is_open_) return;
    cs_free(instruction_, 1);
    cs_close(&handle_);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // Decodes from `offset` of `segment` on for as long as `use` says true. False when it met no instruction.
  template <class Use>
  void decode(const ElfCode::Segment& segment, size_t offset, Use use) {
    if (!is_open_) return;
    auto* bytes = reinterpret_cast<const uint8_t*>(segment.bytes.data()) + offset;
    size_t left = segment.bytes.size() - offset;
    uint64_t address = segment.address + offset;
    while (cs_disasm_iter(handle_, &bytes, &left, &address, instruction_) && use(*instruction_)) {
    }
  }

 private:
  csh handle_;
  bool is_open_;
  cs_insn* instruction_ = nullptr;
};

class Scan {
 public:
  explicit Scan(const ElfCode& file) : file_(file) {}

  CodeFindings run() {
    for (const ElfCode::Segment& segment : file_.code()) {
      find_system_calls(segment);
      if (imports("dlopen")) find_deep_binds(segment);
    }
    return findings_;
  }

 private:
  bool imports(std::string_view name) const {
    return std::binary_search(file_.imported().begin(), file_.imported().end(), name);
  }

  // Whether an instruction begins at `offset`, as far as decoding from ahead of it can tell.
  bool is_instruction(const ElfCode::Segment& segment, size_t offset) {
    uint64_t address = segment.address + offset;
    uint64_t begin = file_.function_at(address).value_or(address - std::min<uint64_t>(run_up, offset));
    if (begin < segment.address) begin = segment.address;
    uint64_t reached = begin;
    decoder_.decode(segment, begin - segment.address, [&](const cs_insn& instruction) {
      reached = instruction.address + instruction.size;
      return reached < address;
    });
    return reached == address;
  }

  void find_system_calls(const ElfCode::Segment& segment) {
    for (size_t at = 0; (at = segment.bytes.find(syscall_bytes, at)) != segment.bytes.npos; ++at) {
      if (is_instruction(segment, at)) findings_.system_calls.push_back(segment.address + at);
    }
  }

  // `mov $FLAGS, %esi` with RTLD_DEEPBIND among the flags, and soon behind it a call of dlopen.
  void find_deep_binds(const ElfCode::Segment& segment) {
    constexpr uint32_t known = RTLD_LAZY | RTLD_NOW | RTLD_NOLOAD | RTLD_DEEPBIND | RTLD_GLOBAL | RTLD_NODELETE;
    for (size_t at = 0; (at = segment.bytes.find('\xbe', at)) != segment.bytes.npos; ++at) {
      if (segment.bytes.size() - at < 5) return;
      uint32_t flags;
      memcpy(&flags, &segment.bytes[at + 1], sizeof flags);
      if ((flags & RTLD_DEEPBIND) == 0 || (flags & ~known) != 0 || !is_instruction(segment, at)) continue;
      if (std::optional<uint64_t> call = dlopen_call_behind(segment, at)) findings_.deep_binds.push_back(*call);
    }
  }

  std::optional<uint64_t> dlopen_call_behind(const ElfCode::Segment& segment, size_t offset) {
    std::optional<uint64_t> found;
    uint64_t end = segment.address + offset + farthest_call;
    decoder_.decode(segment, offset, [&](const cs_insn& instruction) {
      std::string callee = callee_of(instruction);
      if (callee == "dlopen") found = instruction.address;
      return callee.empty() && instruction.address < end;
    });
    return found;
  }

  // The imported function that an instruction calls or jumps to; "?" for another call, empty for anything else.
  std::string callee_of(const cs_insn& instruction) {
    uint64_t next = instruction.address + instruction.size;
    int32_t distance = 0;
    const uint8_t* bytes = instruction.bytes;
    size_t opcode_size = bytes[0] == 0xff && (bytes[1] == 0x15 || bytes[1] == 0x25) ? 2 : 1;
    bool is_direct = instruction.size == 5 && (bytes[0] == 0xe8 || bytes[0] == 0xe9);
    if (!is_direct && (opcode_size != 2 || instruction.size != 6)) return instruction.id == X86_INS_CALL ? "?" : "";
    memcpy(&distance, bytes + opcode_size, sizeof distance);
    std::string name = is_direct ? file_.import_called_at(next + distance) : file_.import_of_slot(next + distance);
    return name.empty() ? "?" : name;
  }

  const ElfCode& file_;
  Decoder decoder_;
  CodeFindings findings_;
};

}  // namespace

CodeFindings scan_code(const ElfCode& file) { return Scan(file).run(); }

}  // namespace unblock::tools
