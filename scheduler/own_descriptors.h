#pragma once
// Descriptors of our own beside the event loop's two: the program's close and its close-everything loops must not reach
// them, its next number is the one that libc would give, and the child of a fork closes them. Thread-safe.

namespace unblock::own_descriptors {

// Takes over a descriptor that was just made: moves it high, out of the program's way. The number it has from then on.
int adopt(int fd);

// Closes it, if the program has not taken its number meanwhile.
void give_back(int fd);

// The program wants this number for itself (dup2): whoever waits on it is ended with `closed`.
void surrender(int fd);

bool owns(int fd);
// The first of them in [first, last]; last + 1 when there is none.
unsigned first_owned(unsigned first, unsigned last);

// The child of a fork: those that it inherited are the parent's.
void close_inherited();

}  // namespace unblock::own_descriptors
