#include "sha1.h"

#include <array>
#include <bit>
#include <cstdint>

namespace {

using State = std::array<uint32_t, 5>;

// The message, a bit that is set, zeros, and the length in bits, so that it fills blocks of 64 bytes.
std::string padded(std::string_view message) {
  std::string text(message);
  text += static_cast<char>(0x80);
  while (text.size() % 64 != 56) text += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(uint64_t{message.size()} * 8 >> shift);
  return text;
}

// The block's sixteen words, big end first, spread over eighty.
std::array<uint32_t, 80> schedule(const char* block) {
  std::array<uint32_t, 80> words = {};
  for (size_t i = 0; i < 64; ++i) words[i / 4] = words[i / 4] << 8 | static_cast<unsigned char>(block[i]);
  for (size_t i = 16; i < 80; ++i) words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  return words;
}

uint32_t mixed(size_t round, uint32_t b, uint32_t c, uint32_t d) {
  if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

void add_block(State& state, const char* block) {
  std::array<uint32_t, 80> words = schedule(block);
  auto [a, b, c, d, e] = state;
  for (size_t round = 0; round < 80; ++round) {
    uint32_t next = std::rotl(a, 5) + mixed(round, b, c, d) + e + words[round];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

}  // namespace

std::string sha1(std::string_view message) {
  State state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::string text = padded(message);
  for (size_t offset = 0; offset < text.size(); offset += 64) add_block(state, text.data() + offset);
  std::string digest;
  for (uint32_t word : state) {
    for (int shift = 24; shift >= 0; shift -= 8) digest += static_cast<char>(word >> shift);
  }
  return digest;
}
