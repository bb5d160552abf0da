"""Programs that unblock cannot help: one line, and the program's own end."""
import pathlib
import platform
import struct
import unittest

from fixture import CommandTest, compile_c, native_code

PRINT_AND_EXIT = '#include <stdlib.h>\n#include <stdio.h>\n' \
                 'int main(void) { printf("%s", getenv("LD_PRELOAD") ? "preload" : "native"); return 7; }'

TRUE = pathlib.Path("/bin/true").read_bytes()


def elf_32(machine, code):
    """A 32-bit ELF program of one segment."""
    base, headers = 0x08048000, 52 + 32
    header = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, machine, 1, base + headers, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    size = headers + len(code)
    return header + struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 0x1000) + code


class Judgement(CommandTest):
    def assert_native(self, result, code, *says):
        """One line says why, and the program ran as it would without us."""
        self.assert_one_line(result, "native threads", *says)
        self.assertEqual(result.returncode, code)
        self.assertNotIn("preload", result.stdout)

    def test_an_ordinary_program_is_preloaded_without_a_word(self):
        for options in ([], ["-no-pie"]):
            with self.subTest(options):
                result = self.unblock(compile_c(PRINT_AND_EXIT, self.folder / "program", *options))
                self.assert_silent(result, 7)
                self.assertEqual(result.stdout, "preload")

    def test_a_static_program(self):
        for options in (["-static"], ["-static-pie"]):
            with self.subTest(options):
                program = compile_c(PRINT_AND_EXIT, self.folder / "program", *options)
                result = self.unblock("--processors", "1", program)
                self.assert_native(result, 7, str(program), "statically linked")
                self.assertEqual(result.stdout, "native")

    def true_loader(self):
        maps = self.unblock("cat", "/proc/self/maps").stdout.split()
        return next(word for word in maps if "/ld-linux" in word)

    def test_the_loader_itself_preloads(self):
        self.assert_silent(self.unblock(self.true_loader(), "/bin/true"))

    def foreign(self, loader):
        """A program that ends with 7 and needs no library, under a loader of that name."""
        code = {"x86_64": "mov $60, %eax; mov $7, %edi; syscall", "aarch64": "mov x8, #93; mov x0, #7; svc #0"}
        source = f'__asm__(".globl _start\\n_start: {code[platform.machine()]}");'
        return compile_c(source, self.folder / "program", "-nostdlib", "-pie", f"-Wl,--dynamic-linker={loader}")

    def test_a_program_of_another_libc(self):
        loader = self.folder / "ld-musl-test.so.1"
        loader.symlink_to(self.true_loader())
        self.assert_native(self.unblock(self.foreign(loader)), 7, "another C library", str(loader))

    def test_a_program_whose_loader_is_missing_is_127(self):
        program = self.foreign("/no/ld-musl-test.so.1")
        self.assert_refused(self.unblock(program), 127, str(program), "/no/ld-musl-test.so.1", "No such file")

    def test_a_32_bit_program(self):
        code = bytes([0xB8, 1, 0, 0, 0, 0xBB, 7, 0, 0, 0, 0xCD, 0x80])  # exit(7)
        program = self.write("program", elf_32(3, code))
        self.assert_native(self.unblock(program), native_code(program), "32-bit x86")

    def test_a_program_of_another_machine(self):
        image = bytearray(TRUE)
        for machine, says in ((243, "RISC-V"), (8, "MIPS"), (0x1234, "machine type 4660")):
            with self.subTest(says):
                image[18:20] = struct.pack("<H", machine)
                program = self.write("program", bytes(image))
                result = self.unblock(program)
                self.assert_native(result, native_code(program), says)

    def test_an_object_file(self):
        program = compile_c("int x;", self.folder / "object.o", "-c")
        program.chmod(0o755)
        self.assert_native(self.unblock(program), 126, "no program")

    def test_what_is_neither_program_nor_text_is_126(self):
        for content in (b"\0\1\2\3", b"PK\3\4\0\0", b"text\0text"):
            with self.subTest(content):
                program = self.write("program", content)
                self.assert_refused(self.unblock(program), 126, str(program), "Exec format error")

    def test_truncated_programs_end_as_they_would_natively(self):
        for size in (4, 5, 16, 20, 52, 63, 64, 65, 119, 120, 400, 1000, 5000, len(TRUE) // 2, len(TRUE) - 1):
            with self.subTest(size):
                program = self.write("program", TRUE[:size])
                result = self.unblock(program)
                self.assertEqual(result.returncode, native_code(program))
                if size < 400:
                    self.assert_one_line(result, str(program), "damaged")

    def test_a_program_that_cannot_be_read_is_run(self):
        program = self.write("program", TRUE, mode=0o711)
        self.assert_silent(self.unblock(program, user=65534))


if __name__ == "__main__":
    unittest.main()
