// Reading ELF headers, honest and damaged ones.

#include "tools/elf_file.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

#include "tools/judgement.h"

namespace {

using namespace unblock::tools;
using Bytes = std::vector<char>;

Bytes read_program() {
  std::ifstream file("/bin/true", std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

// A file in memory that holds `bytes`.
class MemoryFile {
 public:
  explicit MemoryFile(const Bytes& bytes) : descriptor_(memfd_create("program", MFD_CLOEXEC)) {
    EXPECT_EQ(write(descriptor_, bytes.data(), bytes.size()), ssize_t(bytes.size()));
  }
  ~MemoryFile() { close(descriptor_); }
  int descriptor() const { return descriptor_; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

ElfFile honest_library() {
  ElfFile library;
  library.type = ET_DYN;
  library.machine = EM_X86_64;
  library.is_64_bit = true;
  return library;
}

// Where the bytes stand that tell how a program is loaded: the headers and the dynamic section.
std::vector<size_t> telling_places(const Bytes& program) {
  auto* header = reinterpret_cast<const Elf64_Ehdr*>(program.data());
  auto* segments = reinterpret_cast<const Elf64_Phdr*>(program.data() + header->e_phoff);
  std::vector<size_t> places;
  auto add = [&](size_t begin, size_t size) {
    for (size_t i = 0; i < size; ++i) places.push_back(begin + i);
  };
  add(0, sizeof *header);
  add(header->e_phoff, header->e_phnum * sizeof *segments);
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type == PT_DYNAMIC) add(segments[i].p_offset, segments[i].p_filesz);
  }
  return places;
}

// Whatever the bytes are, reading ends, and what is told lies within reason.
void expect_bounded_answers(const Bytes& bytes) {
  MemoryFile file(bytes);
  if (std::optional<ElfFile> elf = read_elf(file.descriptor())) {
    EXPECT_LE(elf->interpreter.size(), bytes.size());
    EXPECT_LE(elf->needed.size(), 4096u);
    for (const std::string& name : elf->needed) EXPECT_LE(name.size(), bytes.size());
  }
  Judgement judgement = judge(file.path(), honest_library());
  EXPECT_EQ(judgement.verdict == Judgement::Verdict::green, judgement.reason.empty());
  EXPECT_EQ(judgement.verdict == Judgement::Verdict::impossible, judgement.error != 0);
}

TEST(ElfFile, TellsHowAProgramIsLoaded) {
  MemoryFile file(read_program());
  std::optional<ElfFile> elf = read_elf(file.descriptor());
  ASSERT_TRUE(elf);
  EXPECT_TRUE(elf->is_loadable());
  EXPECT_TRUE(elf->is_dynamic);
  EXPECT_EQ(base_name(elf->interpreter).substr(0, 8), "ld-linux");
  EXPECT_EQ(elf->needed, std::vector<std::string>{"libc.so.6"});
}

TEST(ElfFile, IsNoneWithoutSegments) {
  Bytes program = read_program();
  reinterpret_cast<Elf64_Ehdr*>(program.data())->e_phnum = 0;
  EXPECT_FALSE(read_elf(MemoryFile(program).descriptor()));
}

TEST(ElfFile, SurvivesMutatedHeaders) {
  const Bytes program = read_program();
  const std::vector<size_t> places = telling_places(program);
  std::mt19937 random(20'000'229);
  constexpr unsigned char extremes[] = {0, 1, 0x7f, 0x80, 0xff};
  for (int round = 0; round < 2'000; ++round) {
    SCOPED_TRACE(round);
    Bytes mutated = program;
    for (int change = random() % 8; change >= 0; --change) {
      size_t place = places[random() % places.size()];
      mutated[place] = random() % 2 ? random() : extremes[random() % std::size(extremes)];
    }
    expect_bounded_answers(mutated);
  }
}

TEST(ElfFile, SurvivesTruncation) {
  const Bytes program = read_program();
  for (size_t size = 0; size < program.size(); size += 1 + size / 16) {
    SCOPED_TRACE(size);
    expect_bounded_answers(Bytes(program.begin(), program.begin() + size));
  }
}

// Each of the most headers that a file can have covers the whole file, as a careless reader would copy it each time.
TEST(ElfFile, IsReadQuicklyWhenItsHeadersOverlap) {
  Bytes program = read_program();
  auto* header = reinterpret_cast<Elf64_Ehdr*>(program.data());
  const size_t count = 60'000;
  header->e_phnum = count;
  header->e_phoff = sizeof *header;
  program.resize(sizeof *header + count * sizeof(Elf64_Phdr));
  for (size_t i = 0; i < count; ++i) {
    Elf64_Phdr segment{};
    segment.p_type = i % 2 ? PT_LOAD : PT_DYNAMIC;
    segment.p_filesz = program.size();
    memcpy(program.data() + sizeof *header + i * sizeof segment, &segment, sizeof segment);
  }
  expect_bounded_answers(program);
}

}  // namespace
