// A listening socket on loopback that hands each connection to a thread of its own, until SIGTERM or SIGINT.
//
// Used by the servers written in C++. One of them to a process; call it from main.
#pragma once

#include <cstdint>
#include <functional>

// Listens on the port (0 lets the system choose), prints `listening on 127.0.0.1:PORT`, and calls serve(descriptor) in
// a detached thread for each connection; serve owns the descriptor. Returns after a signal, while those threads still
// run: what they use must outlive main. When the port cannot be had, says why and exits with 1.
void serve_each_in_a_thread(uint16_t port, const std::function<void(int descriptor)>& serve);

// The port that an argument names, or usage on standard error and exit with 2.
uint16_t port_of(const char* argument, const char* usage);
