#!/usr/bin/env bash
# Installs the Debian packages that one of the commands beside this file needs, and nothing where all are there.
#
#   scripts/packages.sh GROUP…      GROUP: build, test, check, bench or long
#
# No daemon is started by what is installed here: the test programs are run by the tests, on ports of their own.
set -euo pipefail

packages_of() {
  case $1 in
    build) echo cmake ninja-build g++ pkg-config python3 libgtest-dev libbenchmark-dev libboost-context-dev \
                libcli11-dev libelf-dev libdw-dev nlohmann-json3-dev libcapstone-dev ;;
    test) echo gdb strace git curl openssl procps tinyproxy-bin microsocks stunnel4 mariadb-server-core mariadb-client \
               openjdk-17-jdk-headless redis-server nginx-light make xz-utils python3-websockets \
               ruby perl nodejs libjemalloc2 libtcmalloc-minimal4 ;;
    check) echo git clang-format ;;
    bench) echo strace valgrind git xz-utils mariadb-server-core mariadb-client ;;
    long) echo libpython3.11-testsuite ;;
    *) echo "packages.sh: no group is called '$1'" >&2; return 1 ;;
  esac
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_of() {
  local group package
  for group in "$@"; do
    for package in $(packages_of "$group"); do
      is_installed "$package" || echo "$package"
    done
  done
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Debian asks this program before it starts a daemon; 101 means no. One that is there already is the administrator's.
forbid_daemons() {
  [ -e /usr/sbin/policy-rc.d ] && return
  our_policy=/usr/sbin/policy-rc.d
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$our_policy" >/dev/null && as_root chmod 755 "$our_policy"
}

clean_up() {
  rm -f "$log"
  [ -z "$our_policy" ] || as_root rm -f "$our_policy"
}

# When the lists of some source cannot be fetched, those that are here may do.
install_packages() {
  as_root apt-get -qq update || echo "packages.sh: the lists of packages are old"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"
}

# Of what was installed here nothing starts with the next boot either.
disable_daemons() {
  local package
  command -v systemctl >/dev/null || return 0
  for package in "$@"; do
    case $package in
      nginx-light) as_root systemctl --quiet disable nginx ;;
      redis-server) as_root systemctl --quiet disable redis-server ;;
    esac
  done
}

command -v dpkg-query >/dev/null || { echo "packages.sh: not a Debian system; install by hand: $(packages_of "$1")" >&2; exit 1; }
for group in "$@"; do packages_of "$group" >/dev/null; done
missing=$(missing_of "$@" | sort -u | xargs)
[ -n "$missing" ] || exit 0
echo "Installing $missing"
log=$(mktemp)
our_policy=""
trap clean_up EXIT
# shellcheck disable=SC2086
if ! { forbid_daemons && install_packages $missing && disable_daemons $missing; } </dev/null >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "packages.sh: cannot install what is missing; as root: apt-get install $missing" >&2
  exit 1
fi
