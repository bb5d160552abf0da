// The smallest green thread: a stack, a block made by shim/glibc at its top, and a switch.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <boost/context/detail/fcontext.hpp>
#include <functional>

#include "shim/glibc/thread_block.h"

class Green {
 public:
  explicit Green(std::function<void*()> body, size_t stack_size = 256 * 1024) : body_(std::move(body)) {
    static std::atomic<int> next_tid{1 << 22};
    const size_t alignment = unblock::glibc::block_alignment();
    size_ = (stack_size + unblock::glibc::block_size() + alignment - 1) / alignment * alignment;
    void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    stack_ = static_cast<char*>(memory);
    char* top = stack_ + size_ - unblock::glibc::block_size();
    top -= reinterpret_cast<uintptr_t>(top) % alignment;
    block_ = unblock::glibc::make_block(top, next_tid++, stack_, size_, 0);
    if (!block_) throw std::bad_alloc();
    context_ = boost::context::detail::make_fcontext(top, 0, begin);
    *unblock::glibc::own_local(block_, current()) = this;
  }

  ~Green() {
    unblock::glibc::destroy_block(block_);
    munmap(stack_, size_);
  }

  Green(const Green&) = delete;
  Green& operator=(const Green&) = delete;

  // Runs it until it leaves or ends. True while there is more.
  bool resume() {
    void* own = unblock::thread_pointer();
    unblock::load_thread_pointer(block_);
    auto from = boost::context::detail::jump_fcontext(context_, this);
    unblock::load_thread_pointer(own);
    context_ = from.fctx;
    return !ended_;
  }

  void finish() {
    while (resume()) {
    }
  }

  // Called by the running green thread: back to whoever resumed it.
  static void leave() {
    Green* self = *current();
    self->back_ = boost::context::detail::jump_fcontext(self->back_, nullptr).fctx;
  }

  static Green* running() { return *current(); }

  void* block() const { return block_; }
  void* stack() const { return stack_; }
  size_t stack_size() const { return size_; }
  void* result() const { return result_; }
  bool exited() const { return exited_; }
  void on_abandoned_mutex(std::function<void(void*)> f) { abandoned_ = std::move(f); }

 private:
  // A function, so that no address of a thread-local variable outlives a switch in a register.
  __attribute__((noinline)) static Green** current() {
    static thread_local Green* green;
    Green** address = &green;
    __asm__ volatile("" : "+r"(address));
    return address;
  }

  static void* start(void* green) { return static_cast<Green*>(green)->body_(); }

  static void wake(void* word, void* green) {
    if (auto& abandoned = static_cast<Green*>(green)->abandoned_) abandoned(word);
  }

  static void begin(boost::context::detail::transfer_t from) {
    auto self = static_cast<Green*>(from.data);
    self->back_ = from.fctx;
    self->result_ = unblock::glibc::run(start, self, &self->exited_);
    unblock::glibc::end_thread();
    unblock::glibc::release_robust_mutexes(wake, self);
    self->ended_ = true;
    boost::context::detail::jump_fcontext(self->back_, nullptr);
    __builtin_unreachable();
  }

  std::function<void*()> body_;
  std::function<void(void*)> abandoned_;
  char* stack_;
  size_t size_;
  void* block_;
  boost::context::detail::fcontext_t context_;
  boost::context::detail::fcontext_t back_ = nullptr;
  void* result_ = nullptr;
  bool exited_ = false;
  bool ended_ = false;
};

// Runs one body on a green thread from beginning to end.
inline void on_green(std::function<void()> body) {
  Green green([&] {
    body();
    return nullptr;
  });
  green.finish();
}
