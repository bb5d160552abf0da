#include "tools/help.h"

#include "unblock/unblock.h"

namespace unblock::tools {

const std::string_view help_text =
    R"(Usage: unblock [OPTION…] [--] PROGRAM [ARGUMENT…]
       unblock check PROGRAM    what becomes of each call that PROGRAM makes
       unblock top PID          what its green threads do, again and again
       unblock trace PID -o FILE  a timeline of its scheduler, for Perfetto
       unblock COMMAND …        look at a process (below)

Runs PROGRAM, which was written with blocking calls and threads, unmodified: its threads become green threads that
share a few OS threads and one event loop. Everything else about PROGRAM stays as it is.

Options (each has a twin in the environment, which children of PROGRAM inherit):
  --processors N   run green threads on N processors at a time, 1 to 1024          UNBLOCK_PROCESSORS=N
                   (default: as many as the CPU affinity and the cgroup's quota allow)
  --stack SIZE     stack of threads that do not choose one: bytes, or with K, M, G  UNBLOCK_STACK=SIZE
                   (default: what the C library gives, usually 8M; only what is touched uses memory)
  --stats          print a report on standard error at exit                        UNBLOCK_STATS=1
  --stats=FILE     append it to FILE instead, as lines of a name and a value        UNBLOCK_STATS=/absolute/path
  --no-monitor     do not watch for threads that keep their processor too long      UNBLOCK_MONITOR=0
                   (for tests: one endless loop then stops the other threads)
  --no-deep        leave libc's code as it is: what libc waits for inside itself    UNBLOCK_DEEP=0
                   (getaddrinfo, syslog, popen) then blocks an OS thread
  --creation-stacks  remember of each thread who created it, for 'unblock stack'    UNBLOCK_CREATION_STACKS=1
  --report-hogs TIME  report on standard error, once for each place, what holds     UNBLOCK_REPORT_HOGS=TIME
                   others up for so long (50ms, 1s): a thread that keeps its processor, a lock held meanwhile,
                   threads that wait for each other's locks for ever
  --dump-signal SIGNAL  on this signal (USR2, for example) print a line for each    UNBLOCK_DUMP_SIGNAL=SIGNAL
                   thread, and the stack of the one it meets, on standard error; implies --dump-on-crash
  --dump-on-crash  do so before the process dies of a fault or of abort              UNBLOCK_DUMP_ON_CRASH=1
  -h, --help       print this text and exit
  -V, --version    print the version and exit

Options end at the first word that is none: PROGRAM's own are never read. PROGRAM is looked up in PATH. A script is
judged by its interpreter. A value given here wins over the environment's.

Commands look at a process that runs under unblock, or at a core file. One is meant only where its name is the first
word: `unblock -- ps` and `unblock ./ps` run a program. Each has a --help of its own.
  ps PID           a line for each green thread: state, what it waits for, since when, who created it
  stack PID        the stacks of green threads
  stats PID        counters, in the text form of Prometheus or as JSON

Examples:
  unblock ./server 8080
  unblock --processors 1 --stats python3 server.py
  unblock --stats=/tmp/server.stats -- ./server --stats

What unblock cannot help: programs that are statically linked, gain privileges when started (set-user-id,
set-group-id, file capabilities), use a C library other than GNU's, or are built for another architecture. They run as
they would without unblock, and one line on standard error says why.

Environment:
  UNBLOCK_LIBRARY  the libunblock.so to use (default: the one installed with this command)
  LD_PRELOAD       is kept; libunblock.so goes before what is in it, but behind the runtime of a sanitizer

Exit status of the commands: 0, or one line on standard error says why not, and
  3  there is no such process or file       6  the process has an unblock of another version
  4  it may not be looked at                7  the core file is damaged or truncated
  5  it has no green threads                8  the process ended meanwhile

Exit status otherwise: PROGRAM's own, as unblock becomes PROGRAM (same process, same signals). Or
  125  unblock itself failed: a bad option, a library that cannot be read
  126  PROGRAM was found but cannot be executed
  127  PROGRAM, or the interpreter or loader that it names, was not found
)";

const std::string_view version_text = "unblock " UNBLOCK_VERSION_STRING "\n";

}  // namespace unblock::tools
