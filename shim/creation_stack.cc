#include "shim/creation_stack.h"

#include "shim/call_chain.h"
#include "shim/configuration.h"

namespace unblock::creation_stack {
namespace {

struct Frames {
  void* addresses[call_chain::most];
};

Pool<Frames> stacks;

}  // namespace

void record(Thread& thread) {
  if (!configuration::current().creation_stacks) return;
  Frames* frames = stacks.take();
  if (frames == nullptr) return;
  thread.creation_depth = call_chain::record(frames->addresses, call_chain::most);
  thread.creation_stack = frames->addresses;
}

void release(Thread& thread) {
  if (thread.creation_stack == nullptr) return;
  Frames* frames = reinterpret_cast<Frames*>(thread.creation_stack);
  thread.creation_stack = nullptr;
  stacks.give_back(frames);
}

}  // namespace unblock::creation_stack
