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
                libcli11-dev libelf-dev ;;
    test) echo strace git curl openssl procps tinyproxy-bin microsocks stunnel4 mariadb-server-core mariadb-client \
               openjdk-17-jdk-headless redis-server nginx-light make xz-utils python3-websockets ;;
    check) echo git clang-format ;;
    bench) echo strace valgrind git xz-utils ;;
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
  printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
  as_root chmod 755 /usr/sbin/policy-rc.d
  trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

install_packages() {
  forbid_daemons
  as_root apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

command -v dpkg-query >/dev/null || { echo "packages.sh: not a Debian system; install by hand: $(packages_of "$1")" >&2; exit 1; }
for group in "$@"; do packages_of "$group" >/dev/null; done
missing=$(missing_of "$@" | sort -u | xargs)
[ -n "$missing" ] || exit 0
echo "Installing $missing"
# shellcheck disable=SC2086
install_packages $missing </dev/null || { echo "packages.sh: cannot install $missing; as root: apt-get install $missing" >&2; exit 1; }
