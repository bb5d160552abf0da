#include "shim/glibc/code_memory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "scheduler/check.h"
#include "scheduler/kernel.h"

namespace unblock::glibc {
namespace {

constexpr uintptr_t page_size = 4096;

uintptr_t page_of(const uint8_t* place) { return reinterpret_cast<uintptr_t>(place) / page_size * page_size; }

bool protect(uintptr_t page, int protection) { return kernel::invoke(SYS_mprotect, page, page_size, protection) == 0; }

// What an aligned word will hold. No call of memcpy: that is libc's, and its page may be the one that cannot run.
struct Word {
  uint64_t* place;
  uint64_t value;
};

bool is_in_one_word(const uint8_t* place, size_t size) { return reinterpret_cast<uintptr_t>(place) % 8 + size <= 8; }

Word word_with(uint8_t* place, const uint8_t* bytes, size_t size) {
  uintptr_t at = reinterpret_cast<uintptr_t>(place), shift = at % 8 * 8;
  auto word = reinterpret_cast<uint64_t*>(at / 8 * 8);
  uint64_t value = *word;
  for (size_t i = 0; i < size; ++i) {
    uint64_t position = shift + 8 * i;
    value = (value & ~(0xffull << position)) | (uint64_t)bytes[i] << position;
  }
  return {word, value};
}

}  // namespace

CodeMemory::CodeMemory(uint8_t* trial) {
  uint64_t all = ~0ull;
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask_before_, sizeof all);
  uint8_t same = *trial;
  file_ = kernel::invoke(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC);
  if (file_ >= 0 && write_by_kernel(trial, &same, 1)) {
    way_ = Way::kernel;
  } else if (write_by_protection(trial, &same, 1)) {
    way_ = Way::protection;
  }
}

CodeMemory::~CodeMemory() {
  if (file_ >= 0) kernel::invoke(SYS_close, file_);
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &mask_before_, nullptr, sizeof mask_before_);
}

// Half a change cannot be left behind: what the trial page allowed is allowed.
void CodeMemory::write(uint8_t* place, const uint8_t* bytes, size_t size) {
  UNBLOCK_CHECK(way_ == Way::kernel ? write_by_kernel(place, bytes, size) : write_by_protection(place, bytes, size));
}

bool CodeMemory::write_by_kernel(uint8_t* place, const uint8_t* bytes, size_t size) {
  if (!is_in_one_word(place, size)) return kernel::invoke(SYS_pwrite64, file_, bytes, size, place) == (long)size;
  Word word = word_with(place, bytes, size);
  return kernel::invoke(SYS_pwrite64, file_, &word.value, sizeof word.value, word.place) == sizeof word.value;
}

bool CodeMemory::write_by_protection(uint8_t* place, const uint8_t* bytes, size_t size) {
  uintptr_t page = page_of(place);
  if (!protect(page, PROT_READ | PROT_WRITE)) return false;
  if (is_in_one_word(place, size)) {
    Word word = word_with(place, bytes, size);
    __atomic_store_n(word.place, word.value, __ATOMIC_SEQ_CST);
  } else {
    for (size_t i = 0; i < size; ++i) static_cast<volatile uint8_t*>(place)[i] = bytes[i];
  }
  return protect(page, PROT_READ | PROT_EXEC);
}

}  // namespace unblock::glibc
