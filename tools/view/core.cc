// A core file. What it leaves out, because a file that was mapped has it, is read from that file.

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tools/view/failures.h"
#include "tools/view/target.h"

namespace unblock::tools::view {
namespace {

// A file descriptor that is closed with its owner.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return descriptor_; }
  size_t read(void* to, size_t size, uint64_t offset) const {
    ssize_t got = descriptor_ < 0 ? -1 : pread(descriptor_, to, size, (off_t)offset);
    return got > 0 ? got : 0;
  }

 private:
  int descriptor_;
};

struct Segment {
  uint64_t begin, end;      // addresses that the file holds
  uint64_t offset;          // of `begin` in the file
  uint64_t end_of_mapping;  // the mapping may be longer
  bool is_writable;
};

struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};

class Core : public Target, public Memory {
 public:
  explicit Core(const std::string& path) : path_(path), file_(path) {
    if (file_.descriptor() < 0) {
      fail(errno == EACCES ? exit_not_permitted : exit_no_process, name() + ": " + strerror(errno));
    }
    elf_version(EV_CURRENT);
    elf_.reset(elf_begin(file_.descriptor(), ELF_C_READ, nullptr));
    GElf_Ehdr header;
    if (elf_ == nullptr || elf_kind(elf_.get()) != ELF_K_ELF || gelf_getehdr(elf_.get(), &header) == nullptr ||
        header.e_type != ET_CORE || header.e_machine != EM_X86_64) {
      fail(exit_damaged, name() + " is no core file of an x86-64 process");
    }
    read_segments();
    add_mapped_files();
  }

  const Memory& memory() const override { return *this; }
  const std::vector<Mapping>& mappings() const override { return mappings_; }
  bool is_live() const override { return false; }
  Elf* elf() const override { return elf_.get(); }
  const std::vector<user_regs_struct>& registers() const override { return registers_; }
  int pid() const override { return pid_; }
  std::string name() const override { return "core file " + path_; }
  void explain_failed_read() const override {}

  size_t read(uint64_t address, void* to, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      size_t moved = read_piece(address + done, static_cast<char*>(to) + done, size - done);
      if (moved == 0) break;
      done += moved;
    }
    return done;
  }

 private:
  void read_segments() {
    size_t count = 0;
    struct stat status;
    if (elf_getphdrnum(elf_.get(), &count) != 0 || fstat(file_.descriptor(), &status) != 0) {
      fail(exit_damaged, name() + " has damaged headers");
    }
    for (size_t i = 0; i < count; ++i) {
      GElf_Phdr header;
      if (gelf_getphdr(elf_.get(), (int)i, &header) == nullptr) fail(exit_damaged, name() + " has damaged headers");
      if (header.p_offset + header.p_filesz > (uint64_t)status.st_size) {
        fail(exit_damaged, name() + " is truncated: a part of the memory is missing (see ulimit -c)");
      }
      if (header.p_type == PT_NOTE) read_notes(header);
      if (header.p_type != PT_LOAD) continue;
      segments_.push_back({header.p_vaddr, header.p_vaddr + header.p_filesz, header.p_offset,
                           header.p_vaddr + header.p_memsz, (header.p_flags & PF_W) != 0});
    }
    std::sort(segments_.begin(), segments_.end(), [](auto& a, auto& b) { return a.begin < b.begin; });
  }

  void read_notes(const GElf_Phdr& segment) {
    Elf_Data* data = elf_getdata_rawchunk(elf_.get(), segment.p_offset, segment.p_filesz, ELF_T_NHDR);
    if (data == nullptr) return;
    GElf_Nhdr note;
    size_t name_at, text_at;
    for (size_t at = 0; (at = gelf_getnote(data, at, &note, &name_at, &text_at)) > 0;) {
      const char* text = static_cast<const char*>(data->d_buf) + text_at;
      if (note.n_type == NT_FILE) read_files({text, note.n_descsz});
      if (note.n_type == NT_PRSTATUS && note.n_descsz >= sizeof(elf_prstatus)) read_registers(text);
      if (note.n_type != NT_PRPSINFO || note.n_descsz < sizeof(elf_prpsinfo)) continue;
      elf_prpsinfo process;
      memcpy(&process, text, sizeof process);
      pid_ = process.pr_pid;
    }
  }

  void read_registers(const char* note) {
    elf_prstatus status;
    memcpy(&status, note, sizeof status);
    static_assert(sizeof status.pr_reg == sizeof(user_regs_struct));
    memcpy(&registers_.emplace_back(), &status.pr_reg, sizeof status.pr_reg);
  }

  // NT_FILE: how many, the size of a page, begin, end and page for each, then the names.
  void read_files(std::string_view note) {
    auto word = [&](size_t index) {
      uint64_t value = 0;
      if ((index + 1) * sizeof value <= note.size()) memcpy(&value, note.data() + index * sizeof value, sizeof value);
      return value;
    };
    uint64_t count = word(0);
    if (count > note.size() / (3 * sizeof(uint64_t))) return;
    size_t name_at = (2 + 3 * count) * sizeof(uint64_t);
    for (size_t i = 0; i < count; ++i) {
      size_t end = std::min(note.find('\0', name_at), note.size());
      std::string path(name_at < end ? note.substr(name_at, end - name_at) : "");
      files_.push_back({word(2 + 3 * i), word(3 + 3 * i), false, word(4 + 3 * i) * word(1), path});
      name_at = end + 1;
    }
  }

  void add_mapped_files() {
    for (const Segment& each : segments_) {
      Mapping mapping = {each.begin, each.end_of_mapping, each.is_writable, 0, ""};
      for (const Mapping& file : files_) {
        if (each.begin < file.begin || each.begin >= file.end) continue;
        mapping.path = file.path;
        mapping.file_offset = file.file_offset + (each.begin - file.begin);
      }
      mappings_.push_back(mapping);
    }
  }

  size_t read_piece(uint64_t address, char* to, size_t size) const {
    auto after = std::upper_bound(segments_.begin(), segments_.end(), address,
                                  [](uint64_t wanted, const Segment& each) { return wanted < each.begin; });
    if (after == segments_.begin()) return read_from_mapped_file(address, to, size);
    const Segment& segment = *std::prev(after);
    if (address >= segment.end) return read_from_mapped_file(address, to, size);
    return file_.read(to, std::min(size, segment.end - address), segment.offset + (address - segment.begin));
  }

  size_t read_from_mapped_file(uint64_t address, char* to, size_t size) const {
    for (const Mapping& file : files_) {
      if (address < file.begin || address >= file.end) continue;
      return OpenFile(file.path).read(to, std::min(size, file.end - address),
                                      file.file_offset + (address - file.begin));
    }
    return 0;
  }

  std::string path_;
  OpenFile file_;
  std::unique_ptr<Elf, ElfEnd> elf_;
  std::vector<Segment> segments_;
  std::vector<Mapping> files_, mappings_;
  std::vector<user_regs_struct> registers_;
  int pid_ = 0;
};

}  // namespace

std::unique_ptr<Target> open_core(const std::string& path) { return std::make_unique<Core>(path); }

}  // namespace unblock::tools::view
