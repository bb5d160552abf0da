// The names that shim/glibc finds are the ones that the dynamic loader finds.
#include "shim/glibc/symbols.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace glibc = unblock::glibc;

namespace {

// Every name in libc's own dynamic symbol table, thread-local variables left out.
std::vector<std::string> names_of_libc() {
  const link_map* libc = glibc::libc_library();
  const Elf64_Sym* symbols = nullptr;
  const char* strings = nullptr;
  for (const Elf64_Dyn* entry = libc->l_ld; entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const Elf64_Sym*>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(entry->d_un.d_ptr);
  }
  std::vector<std::string> names;
  // The string table follows the symbol table in every libc that the linker made.
  for (auto symbol = symbols + 1; reinterpret_cast<const char*>(symbol + 1) <= strings; symbol++) {
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS) continue;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_TLS) names.push_back(strings + symbol->st_name);
  }
  return names;
}

void* libc_handle() { return dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD); }

}  // namespace

TEST(Symbols, AreTheDefaultVersionsThatTheLoaderFinds) {
  size_t compared = 0;
  for (const std::string& name : names_of_libc()) {
    void* expected = dlsym(libc_handle(), name.c_str());
    if (!expected) continue;  // only kept for old programs
    compared++;
    EXPECT_EQ(glibc::find(name.c_str()), expected) << name;
  }
  EXPECT_GT(compared, 2000u);
}

TEST(Symbols, NewestOldVersionStandsInWhereNoDefaultIsLeft) {
  void* expected = dlvsym(libc_handle(), "pthread_yield", "GLIBC_2.2.5");
  if (!expected) GTEST_SKIP() << "this libc still has it, or has it no more";
  EXPECT_EQ(glibc::find("pthread_yield"), expected);
}

TEST(Symbols, ConditionVariablesAreOfTheNewKind) {
  void* old = dlvsym(libc_handle(), "pthread_cond_wait", "GLIBC_2.2.5");
  EXPECT_NE(glibc::find("pthread_cond_wait"), old);
  EXPECT_EQ(glibc::find("pthread_cond_wait"), dlvsym(libc_handle(), "pthread_cond_wait", "GLIBC_2.3.2"));
}

TEST(Symbols, PrivateNamesOfTheLoaderAreFound) {
  EXPECT_NE(glibc::find("_dl_allocate_tls"), nullptr);
  EXPECT_NE(glibc::find("_dl_deallocate_tls"), nullptr);
}

TEST(Symbols, AbsentNamesAndThreadLocalOnesAreNull) {
  EXPECT_EQ(glibc::find("no_such_function_in_any_libc"), nullptr);
  EXPECT_EQ(glibc::find(""), nullptr);
  EXPECT_EQ(glibc::find("__resp"), nullptr);
  EXPECT_NE(glibc::definition_of("__resp").library, nullptr);
}

TEST(Symbols, VersionIsTheOneLibcTells) {
  EXPECT_TRUE(glibc::is_glibc());
  EXPECT_STREQ(glibc::libc_version(), gnu_get_libc_version());
}

TEST(PlaceInScope, WhatIsLinkedIntoTheProgramStandsBeforeLibc) { EXPECT_TRUE(glibc::stands_before_libc()); }

TEST(PlaceInScope, WhatIsOpenedLaterDoesNot) {
  void* library = dlopen(LIBRARY_WITH_SYMBOLS, RTLD_NOW | RTLD_GLOBAL);
  ASSERT_NE(library, nullptr) << dlerror();
  auto stands = reinterpret_cast<bool (*)()>(dlsym(library, "opened_library_stands_before_libc"));
  ASSERT_NE(stands, nullptr);
  EXPECT_FALSE(stands());
  dlclose(library);
}

TEST(PlaceInScope, WhatIsPreloadedDoes) {
  const std::string command = "LD_PRELOAD=" PRELOADS " " PROGRAM_THAT_ASKS;
  EXPECT_EQ(system(command.c_str()), 0);
}
