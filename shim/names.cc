// Look-ups of names, users and groups, and the system log: libc's own, which wait in calls that libc makes inside itself
// (entries.h). Where those could not be made ours, each of these is a blocking region.
//
// Some hold a lock of libc's while they wait, one for each function, because they have one static result; so does the
// system log. Whoever waits for such a lock waits in the kernel. So he meets a lock of the same kind in front of it
// first, where he parks. As natively, a thread that is cancelled in a look-up of that kind never gives libc's lock back;
// the one in front is given back, so that the next ones wait where they would natively.

#include <grp.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <syslog.h>

#include "shim/blocking_call.h"
#include "shim/entries.h"
#include "shim/real.h"

using namespace unblock;

namespace {

template <class Call>
auto look_up(Call call) {
  if (!lifecycle::on_green() || entries::changed()) return call();
  return in_region(call);
}

void give_back(void* turn) { pthread_mutex_unlock(static_cast<pthread_mutex_t*>(turn)); }

template <class Call>
auto one_at_a_time(pthread_mutex_t& turn, Call call) {
  if (!lifecycle::on_green()) return call();
  decltype(call()) result;
  pthread_mutex_lock(&turn);
  pthread_cleanup_push(give_back, &turn);
  result = look_up(call);
  pthread_cleanup_pop(1);
  return result;
}

}  // namespace

// getaddrinfo(3) and getnameinfo(3).
INTERPOSED int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  return look_up([&] { return real::getaddrinfo(name, service, hints, found); });
}
INTERPOSED int getnameinfo(const sockaddr* address, socklen_t size, char* name, socklen_t name_size, char* service,
                           socklen_t service_size, int flags) {
  return look_up([&] { return real::getnameinfo(address, size, name, name_size, service, service_size, flags); });
}

// gethostbyname(3) and its kin.
INTERPOSED int gethostbyname_r(const char* name, hostent* entry, char* buffer, size_t size, hostent** found,
                               int* error) {
  return look_up([&] { return real::gethostbyname_r(name, entry, buffer, size, found, error); });
}
INTERPOSED int gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer, size_t size,
                                hostent** found, int* error) {
  return look_up([&] { return real::gethostbyname2_r(name, family, entry, buffer, size, found, error); });
}
INTERPOSED int gethostbyaddr_r(const void* address, socklen_t length, int family, hostent* entry, char* buffer,
                               size_t size, hostent** found, int* error) {
  return look_up([&] { return real::gethostbyaddr_r(address, length, family, entry, buffer, size, found, error); });
}
INTERPOSED hostent* gethostbyname(const char* name) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  return one_at_a_time(turn, [&] { return real::gethostbyname(name); });
}
INTERPOSED hostent* gethostbyname2(const char* name, int family) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  return one_at_a_time(turn, [&] { return real::gethostbyname2(name, family); });
}
INTERPOSED hostent* gethostbyaddr(const void* address, socklen_t length, int family) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  return one_at_a_time(turn, [&] { return real::gethostbyaddr(address, length, family); });
}

// getpwnam(3), getgrnam(3) and their kin.
INTERPOSED int getpwnam_r(const char* name, passwd* entry, char* buffer, size_t size, passwd** found) {
  return look_up([&] { return real::getpwnam_r(name, entry, buffer, size, found); });
}
INTERPOSED int getpwuid_r(uid_t id, passwd* entry, char* buffer, size_t size, passwd** found) {
  return look_up([&] { return real::getpwuid_r(id, entry, buffer, size, found); });
}
INTERPOSED int getgrnam_r(const char* name, group* entry, char* buffer, size_t size, group** found) {
  return look_up([&] { return real::getgrnam_r(name, entry, buffer, size, found); });
}
INTERPOSED int getgrgid_r(gid_t id, group* entry, char* buffer, size_t size, group** found) {
  return look_up([&] { return real::getgrgid_r(id, entry, buffer, size, found); });
}
INTERPOSED passwd* getpwnam(const char* name) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  return one_at_a_time(turn, [&] { return real::getpwnam(name); });
}
INTERPOSED passwd* getpwuid(uid_t id) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  return one_at_a_time(turn, [&] { return real::getpwuid(id); });
}
INTERPOSED group* getgrnam(const char* name) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  return one_at_a_time(turn, [&] { return real::getgrnam(name); });
}
INTERPOSED group* getgrgid(gid_t id) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  return one_at_a_time(turn, [&] { return real::getgrgid(id); });
}

namespace {

pthread_mutex_t log_turn = PTHREAD_MUTEX_INITIALIZER;

template <class Log>
void log(Log write) {
  one_at_a_time(log_turn, [&] { return write(), 0; });
}

}  // namespace

// syslog(3) and its kin.
INTERPOSED void vsyslog(int priority, const char* format, va_list list) {
  log([&] { real::vsyslog(priority, format, list); });
}
INTERPOSED void syslog(int priority, const char* format, ...) {
  va_list list;
  va_start(list, format);
  vsyslog(priority, format, list);
  va_end(list);
}
INTERPOSED void __vsyslog_chk(int priority, int flag, const char* format, va_list list) {
  log([&] { real::__vsyslog_chk(priority, flag, format, list); });
}
INTERPOSED void __syslog_chk(int priority, int flag, const char* format, ...) {
  va_list list;
  va_start(list, format);
  __vsyslog_chk(priority, flag, format, list);
  va_end(list);
}
INTERPOSED void openlog(const char* name, int options, int facility) {
  log([&] { real::openlog(name, options, facility); });
}
INTERPOSED void closelog(void) {
  log([] { real::closelog(); });
}
