#include "scheduler/stack.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

using namespace unblock;

namespace {

constexpr size_t page = 4096;

// Each test has a class of stacks of its own, so that none meets another's.
size_t size_of_its_own() {
  static size_t pages = 16;
  return ++pages * page;
}

char* lowest_usable(const Stack& stack) { return stack.base + stack.guard_size; }

bool is_resident(const char* address) {
  unsigned char resident = 0;
  EXPECT_EQ(mincore(const_cast<char*>(address), page, &resident), 0);
  return resident & 1;
}

// Runs body in a child that has no more address space than it uses now; its exit code.
template <class Body>
int without_memory(Body body) {
  pid_t child = fork();
  if (child == 0) {
    rlimit limit = {};
    setrlimit(RLIMIT_AS, &limit);
    _exit(body());
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST(Stack, HasTheSizeThatWasAskedFor) {
  size_t size = size_of_its_own();
  Stack* stack = take_stack(size, page);
  ASSERT_NE(stack, nullptr);
  EXPECT_EQ(stack->guard_size, page);
  EXPECT_EQ(stack->size, size + page);
  EXPECT_EQ((uintptr_t)stack->base % page, 0u);
  memset(lowest_usable(*stack), 0xff, size);
  give_back_stack(stack);
}

TEST(Stack, SizesAreRoundedUpToPages) {
  size_t size = size_of_its_own();
  Stack* stack = take_stack(size - page + 1, 1);
  ASSERT_NE(stack, nullptr);
  EXPECT_EQ(stack->guard_size, page);
  EXPECT_EQ(stack->size, size + page);
  give_back_stack(stack);
}

TEST(StackDeathTest, TheGuardFaults) {
  Stack* stack = take_stack(size_of_its_own(), 2 * page);
  ASSERT_NE(stack, nullptr);
  volatile char* below = lowest_usable(*stack) - 1;
  volatile char* lowest = stack->base;
  EXPECT_DEATH(*below = 1, "");
  EXPECT_DEATH(*lowest = 1, "");
  give_back_stack(stack);
}

TEST(Stack, WithoutAGuardEveryByteIsUsable) {
  Stack* stack = take_stack(size_of_its_own(), 0);
  ASSERT_NE(stack, nullptr);
  EXPECT_EQ(stack->guard_size, 0u);
  memset(stack->base, 0xff, stack->size);
  give_back_stack(stack);
}

TEST(Stack, IsReservedAndNotTouched) {
  Stack* stack = take_stack(size_of_its_own(), page);
  ASSERT_NE(stack, nullptr);
  EXPECT_FALSE(is_resident(stack->top() - page));
  EXPECT_FALSE(is_resident(lowest_usable(*stack)));
  give_back_stack(stack);
}

TEST(Stack, TheLastOneGivenBackIsTheNextOneTaken) {
  size_t size = size_of_its_own();
  Stack* first = take_stack(size, page);
  Stack* second = take_stack(size, page);
  *(second->top() - 1) = 7;
  give_back_stack(first);
  give_back_stack(second);
  Stack* warm = take_stack(size, page);
  EXPECT_EQ(warm, second);
  EXPECT_TRUE(is_resident(warm->top() - page));
  EXPECT_EQ(take_stack(size, page), first);
  give_back_stack(first);
  give_back_stack(second);
}

TEST(Stack, AnotherSizeOrGuardComesFromAnotherClass) {
  size_t size = size_of_its_own(), larger = size_of_its_own();
  Stack* stack = take_stack(size, page);
  give_back_stack(stack);
  Stack* other_size = take_stack(larger, page);
  Stack* other_guard = take_stack(size, 2 * page);
  EXPECT_NE(other_size, stack);
  EXPECT_NE(other_guard, stack);
  EXPECT_EQ(take_stack(size, page), stack);
  for (Stack* each : {stack, other_size, other_guard}) give_back_stack(each);
}

TEST(Stack, ThousandsNeverOverlap) {
  constexpr int count = 2'000;
  size_t size = size_of_its_own();
  std::vector<Stack*> stacks;
  for (int i = 0; i < count; ++i) {
    stacks.push_back(take_stack(size, page));
    ASSERT_NE(stacks.back(), nullptr);
    *(stacks.back()->top() - 1) = (char)i;
    *lowest_usable(*stacks.back()) = (char)i;
  }
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(*(stacks[i]->top() - 1), (char)i);
    ASSERT_EQ(*lowest_usable(*stacks[i]), (char)i);
  }
  std::sort(stacks.begin(), stacks.end(), [](Stack* a, Stack* b) { return a->base < b->base; });
  for (int i = 1; i < count; ++i) ASSERT_GE(stacks[i]->base, stacks[i - 1]->top());
  for (Stack* stack : stacks) give_back_stack(stack);
}

TEST(Stack, BeyondAFewWarmOnesPagesGoBackToTheKernel) {
  constexpr int count = 4'000;
  size_t size = size_of_its_own();
  std::vector<Stack*> stacks;
  for (int i = 0; i < count; ++i) {
    stacks.push_back(take_stack(size, page));
    ASSERT_NE(stacks.back(), nullptr);
    *(stacks.back()->top() - 1) = 1;
  }
  for (Stack* stack : stacks) give_back_stack(stack);
  auto warm = std::count_if(stacks.begin(), stacks.end(), [](Stack* each) { return is_resident(each->top() - page); });
  EXPECT_GT(warm, 0);
  EXPECT_LT(warm, count / 2);
}

TEST(StackDeathTest, ARecycledStackIsStillGuarded) {
  constexpr int count = 4'000;
  size_t size = size_of_its_own();
  std::vector<Stack*> stacks;
  for (int i = 0; i < count; ++i) stacks.push_back(take_stack(size, page));
  for (Stack* stack : stacks) give_back_stack(stack);
  for (Stack*& stack : stacks) stack = take_stack(size, page);
  volatile char* warm = stacks.front()->base;
  volatile char* cold = stacks.back()->base;
  EXPECT_DEATH(*warm = 1, "");
  EXPECT_DEATH(*cold = 1, "");
  for (Stack* stack : stacks) give_back_stack(stack);
}

TEST(Stack, TheProgramsOwnMemoryIsNeverGuardedOrRecycled) {
  constexpr size_t size = 16 * page;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  Stack* stack = wrap_stack(memory, size);
  ASSERT_NE(stack, nullptr);
  EXPECT_EQ(stack->top(), (char*)memory + size);
  memset(memory, 7, size);
  give_back_stack(stack);
  EXPECT_EQ(*(char*)memory, 7);
  Stack* other = take_stack(size, 0);
  EXPECT_NE(other->base, memory);
  give_back_stack(other);
  munmap(memory, size);
}

TEST(Stack, WhatDoesNotFitIsRefused) { EXPECT_EQ(take_stack(size_t{1} << 47, page), nullptr); }

TEST(Stack, WithoutMemoryThereIsNoneButGivenBackOnesAreStillGood) {
  size_t size = size_of_its_own();
  Stack* kept = take_stack(size, page);
  EXPECT_EQ(without_memory([&] {
              constexpr int most = 10'000;
              int taken = 0;
              while (taken < most && take_stack(size, page) != nullptr) ++taken;
              if (taken == most) return 1;
              give_back_stack(kept);
              return take_stack(size, page) == kept ? 0 : 2;
            }),
            0);
  give_back_stack(kept);
}

TEST(Stack, ThreadsTakeAndGiveBackAtOnce) {
  size_t size = size_of_its_own();
  std::vector<std::thread> threads;
  std::atomic<int> shared{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 2'000; ++round) {
        Stack* stacks[3];
        for (Stack*& stack : stacks) {
          stack = take_stack(size, page);
          *(stack->top() - 1) = (char)i;
        }
        for (Stack* stack : stacks) {
          shared += *(stack->top() - 1) != (char)i;
          give_back_stack(stack);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared, 0) << "two threads had one stack";
}
