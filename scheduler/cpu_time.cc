#include "scheduler/cpu_time.h"

#include <time.h>

#include "scheduler/carrier.h"
#include "scheduler/ticks.h"

namespace unblock::cpu_time {

std::atomic<bool> is_counted;

namespace {

int64_t clock_of(int clock) {
  timespec time = {};
  kernel::invoke(SYS_clock_gettime, clock, &time);
  return kernel::nanoseconds(time);
}

int64_t of_this_os_thread() { return clock_of(CLOCK_THREAD_CPUTIME_ID); }

int64_t of_os_thread(int kernel_tid) {
  constexpr int per_thread_schedule_clock = 6;  // clock_getcpuclockid's encoding, see CLOCK_THREAD_CPUTIME_ID
  return clock_of(~kernel_tid << 3 | per_thread_schedule_clock);
}

int64_t nanoseconds_of(uint64_t sum) {
  ticks::note();
  uint64_t passed = ticks::latest.ticks.load() - ticks::begin.ticks.load();
  int64_t nanoseconds = ticks::latest.nanoseconds.load() - ticks::begin.nanoseconds.load();
  return passed == 0 ? 0 : (int64_t)((double)sum * (double)nanoseconds / (double)passed);
}

// What it has used by the time-stamp counter: too much when its OS thread had to wait for a CPU.
int64_t estimate(GreenThread& green, uint64_t sum) {
  int64_t used = green.cpu_used.load() + nanoseconds_of(sum), process = clock_of(CLOCK_PROCESS_CPUTIME_ID);
  return used < process ? used : process;
}

}  // namespace

void begin(GreenThread& main) { main.cpu_used.store(of_this_os_thread()); }

void note_entering(Carrier& carrier, GreenThread&) { carrier.cpu_at_resume.store(of_this_os_thread()); }

// What was used is added before the carrier's mark goes: who finds no mark finds the sum.
void note_leaving(Carrier& carrier, GreenThread& green) {
  int64_t at_resume = carrier.cpu_at_resume.load();
  if (!green.cpu_is_counted || at_resume == 0) {  // it was entered before anybody had asked
    green.cpu_used.store(estimate(green, green.run_ticks));
    green.cpu_is_counted = true;
  } else if (int64_t used = of_this_os_thread() - at_resume; used > 0) {
    green.cpu_used.fetch_add(used);
  }
  carrier.cpu_at_resume.store(0);
}

int64_t of(GreenThread& green) {
  is_counted.store(true, std::memory_order_seq_cst);
  if (&green == here.green) {
    Critical critical;
    Carrier& carrier = *here.carrier;
    int64_t at_resume = carrier.cpu_at_resume.load(), now = of_this_os_thread();
    if (!green.cpu_is_counted || at_resume == 0) {
      green.cpu_used.store(estimate(green, green.run_ticks + (ticks::now() - green.resumed_at)));
      green.cpu_is_counted = true;
      carrier.cpu_at_resume.store(at_resume = now);
    }
    return green.cpu_used.load() + (now - at_resume);
  }
  if (!green.cpu_is_counted) {  // it has not left its stack since
    bool runs = green.carrier.load(std::memory_order_seq_cst) != nullptr;
    return estimate(green, green.run_ticks + (runs ? ticks::now() - green.resumed_at : 0));
  }
  for (;;) {
    int64_t used = green.cpu_used.load();
    Carrier* carrier = green.carrier.load(std::memory_order_seq_cst);
    int64_t at_resume = carrier != nullptr ? carrier->cpu_at_resume.load() : 0;
    if (at_resume == 0) return green.cpu_used.load();
    int64_t since = of_os_thread(carrier->kernel_tid) - at_resume;
    bool still_there = green.carrier.load(std::memory_order_seq_cst) == carrier &&
                       carrier->cpu_at_resume.load() == at_resume && green.cpu_used.load() == used;
    if (still_there) return since > 0 ? used + since : used;
  }
}

}  // namespace unblock::cpu_time
