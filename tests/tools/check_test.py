"""`unblock check`: what it says of a program, from its file alone."""
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import unittest

from fixture import CommandTest, compile_c

CALLS = '''
#define _GNU_SOURCE
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
volatile int never;
int arch_prctl(int, unsigned long);
int main(int count, char** words) {
  char byte;
  if (never) recv(0, &byte, 1, 0), fsync(1), getaddrinfo(words[0], 0, 0, 0), flockfile(stdout),
    puts(getenv("HOME"));
  GAP
  return 0;
}'''
WHOLE = CALLS.replace("GAP", "")
GAP = CALLS.replace("GAP", "if (never) arch_prctl(0, 0);")


class Check(CommandTest):
    def check(self, *arguments, code, **options):
        result = self.unblock("check", *arguments, **options)
        self.assert_silent(result, code)
        return result.stdout

    def found(self, program, code, **options):
        return json.loads(self.check("--json", program, code=code, **options))

    def calls(self, source, code, *options):
        found = self.found(compile_c(source, self.folder / "program", *options), code)
        return {kind: set(calls) for kind, calls in found["calls"].items()}

    def warnings(self, program, code=0):
        found = self.found(program, code)
        return {warning["kind"]: (pathlib.Path(warning["file"]).name, warning["text"]) for warning in found["warnings"]}

    def test_each_call_is_in_its_class(self):
        calls = self.calls(GAP, 1)
        self.assertIn("recv", calls["parks"])
        self.assertIn("fsync", calls["region"])
        self.assertIn("getaddrinfo", calls["parks"])
        self.assertIn("flockfile", calls["held"])
        self.assertIn("getenv", calls["passes"])
        self.assertEqual(calls["missing"], {"arch_prctl"})

    def test_nothing_missing_is_0(self):
        self.assertEqual(self.calls(WHOLE, 0)["missing"], set())

    def test_lazily_and_eagerly_bound_programs_are_alike(self):
        self.assertEqual(self.calls(GAP, 1, "-Wl,-z,lazy"), self.calls(GAP, 1, "-Wl,-z,now", "-fno-plt"))

    def test_the_text_names_what_waits_and_says_why_a_call_is_missing(self):
        program = compile_c(GAP, self.folder / "program")
        text = self.check(program, code=1)
        for name in ("recv", "fsync", "getaddrinfo", "arch_prctl: a gap: ", "called by program"):
            self.assertIn(name, " ".join(text.split()))
        self.assertNotIn("getenv", text)
        self.assertIn("getenv", self.check("--all", program, code=1))

    def test_the_program_does_not_run(self):
        mark = self.folder / "mark"
        source = f'''#include <fcntl.h>
            __attribute__((constructor)) void begin(void) {{ creat("{mark}", 0600); }} int main(void) {{ return 3; }}'''
        program = compile_c(source, self.folder / "program")
        subprocess.run([program], check=False)
        self.assertTrue(mark.exists())
        mark.unlink()
        self.found(program, 0)
        self.assertFalse(mark.exists())

    def test_a_library_is_found_where_the_loader_finds_it(self):
        for name, options in (("runpath", ["-Wl,-rpath,$ORIGIN/lib,--enable-new-dtags"]),
                              ("rpath", ["-Wl,-rpath,$ORIGIN/lib,--disable-new-dtags"])):
            with self.subTest(name):
                self.folder_with_library()
                program = compile_c("int inner(void); int main(void) { return inner(); }", self.folder / "program",
                                    f"-L{self.folder}/lib", "-linner", *options)
                (self.folder / "link").unlink(missing_ok=True)
                (self.folder / "link").symlink_to(program)
                for path in (program, self.folder / "link"):
                    found = self.found(path, 0)
                    self.assertIn(str(self.folder / "lib/libinner.so"), found["libraries"])
                    self.assertEqual(found["calls"]["region"]["fsync"]["called_by"],
                                     [str(self.folder / "lib/libinner.so")])

    def folder_with_library(self):
        (self.folder / "lib").mkdir(exist_ok=True)
        compile_c("#include <unistd.h>\nint inner(void) { return fsync(1); }", self.folder / "lib/libinner.so",
                  "-shared", "-fPIC")

    def test_ld_library_path_counts_and_without_it_a_library_is_missed(self):
        self.folder_with_library()
        program = compile_c("int inner(void); int main(void) { return inner(); }", self.folder / "program",
                            f"-L{self.folder}/lib", "-linner")
        found = self.found(program, 0, environment=self.environment(LD_LIBRARY_PATH=self.folder / "lib"))
        self.assertIn("fsync", found["calls"]["region"])
        found = self.found(program, 1)
        self.assertFalse(found["complete"])
        self.assertIn("libinner.so", self.warnings(program, 1)["not_found"][1])

    def test_the_libraries_are_those_that_the_loader_lists(self):
        loader = pathlib.Path(json.loads(self.check("--json", "/bin/sh", code=0))["runs_in"])
        interpreter = subprocess.run(["readelf", "-l", loader], capture_output=True, text=True, check=True).stdout
        loader = re.search(r"interpreter: (\S+)\]", interpreter)[1]
        compared = 0
        for name in ("python3", "curl", "git", "mariadbd", "openssl"):
            program = shutil.which(name, path="/usr/bin:/usr/sbin")
            if program is None or not pathlib.Path(program).read_bytes().startswith(b"\x7fELF"):
                continue
            listed = subprocess.run([loader, "--list", program], capture_output=True, text=True, check=True).stdout
            paths = {os.path.realpath(path) for path in re.findall(r"(/\S+) \(0x", listed)}
            result = self.unblock("check", "--json", program)
            self.assertEqual({os.path.realpath(path) for path in json.loads(result.stdout)["libraries"]}, paths, program)
            compared += 1
        self.assertGreater(compared, 0)

    def test_a_script_is_judged_by_its_interpreter(self):
        program = compile_c(WHOLE, self.folder / "interpreter")
        script = self.write("script", f"#!{program}\n")
        found = self.found(script, 0)
        self.assertEqual((found["program"], found["runs_in"]), (str(script), str(program)))
        self.assertIn("recv", found["calls"]["parks"])

    def test_a_program_that_cannot_be_helped_is_2(self):
        program = compile_c("int main(void) { return 0; }", self.folder / "program", "-static")
        found = self.found(program, 2)
        self.assertEqual((found["helped"], found["reason"]), (False, "is statically linked"))
        self.assertIn("statically linked", self.check(program, code=2))

    @unittest.skipUnless(os.geteuid() == 0, "only root can give a file to another user")
    def test_a_program_that_gains_rights_is_2_and_still_read(self):
        program = compile_c(GAP, self.folder / "program")
        if os.statvfs(self.folder).f_flag & os.ST_NOSUID:
            self.skipTest("temporary files are on a mount where no program gains rights")
        os.chown(program, 65534, 65534)
        program.chmod(0o4755)
        found = self.found(program, 2)
        self.assertIn("set-user-id", found["reason"])
        self.assertIn("recv", found["calls"]["parks"])

    @unittest.skipUnless(platform.machine() == "x86_64", "reads instructions of x86-64")
    def test_system_calls_past_libc_are_warned_of_and_look_alikes_are_not(self):
        source = '''int main(void) { long result; int looks_alike = 0x050f050f; __asm__("" : "+r"(looks_alike));
            CALL return looks_alike == 3; }'''
        call = '__asm__ volatile("syscall" : "=a"(result) : "a"(39) : "rcx", "r11", "memory");'
        program = compile_c(source.replace("CALL", call), self.folder / "program")
        name, text = self.warnings(program)["inline_system_calls"]
        self.assertEqual(name, "program")
        self.assertIn("(1 place,", text)
        self.assertIn(b"\x0f\x05\x0f\x05", program.read_bytes())
        program = compile_c(source.replace("CALL", ""), self.folder / "program")
        self.assertIn(b"\x0f\x05\x0f\x05", program.read_bytes())
        self.assertNotIn("inline_system_calls", self.warnings(program))

    @unittest.skipUnless(platform.machine() == "x86_64", "reads instructions of x86-64")
    def test_a_deep_bind_is_warned_of(self):
        source = "#define _GNU_SOURCE\n#include <dlfcn.h>\nint main(int n, char** w) { return !dlopen(w[0], FLAGS); }"
        for options in ([], ["-O2", "-fno-plt"], ["-fcf-protection=full"]):
            for flags, warns in (("RTLD_NOW", False), ("RTLD_NOW | RTLD_DEEPBIND", True), ("RTLD_LAZY", False)):
                with self.subTest(options=options, flags=flags):
                    program = compile_c(source.replace("FLAGS", flags), self.folder / "program", *options)
                    self.assertEqual("deep_bind" in self.warnings(program), warns)

    def test_other_namespaces_and_own_exports_are_warned_of(self):
        source = '''#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <unistd.h>
            ssize_t read(int a, void* b, size_t c) { return 0; }
            int main(int n, char** w) { return !dlmopen(LM_ID_NEWLM, w[0], RTLD_NOW); }'''
        warnings = self.warnings(compile_c(source, self.folder / "program", "-rdynamic"))
        self.assertIn("dlmopen", warnings)
        self.assertIn("read", warnings["exports"][1])

    def test_files_without_symbols_are_said_to_be_so(self):
        program = compile_c(WHOLE, self.folder / "program")
        image = bytearray(program.read_bytes())
        image[40:48] = bytes(8)  # e_shoff
        image[58:64] = bytes(6)  # the size, number and names of section headers
        self.assertIn("no_symbols", self.warnings(self.write("program", bytes(image)), 1))

    def test_damaged_files_do_not_end_the_command(self):
        image = compile_c(WHOLE, self.folder / "whole").read_bytes()
        for size in range(64, len(image), len(image) // 40):
            result = self.unblock("check", self.write("program", image[:size]), errors="replace")
            self.assertIn(result.returncode, (0, 1, 2, 127), (size, result.stderr))
        for at in range(0, 4096, 61):
            changed = bytearray(image)
            changed[at] ^= 0xff
            result = self.unblock("check", self.write("program", bytes(changed)), errors="replace")
            self.assertIn(result.returncode, (0, 1, 2, 126, 127), (at, result.stderr))

    def test_what_is_no_program_is_refused(self):
        self.assert_refused(self.unblock("check", self.folder / "nothing"), 127, "no such program")
        self.assert_refused(self.unblock("check", self.write("data", b"\0\1", 0o644)), 126)
        self.assert_refused(self.unblock("check"), 125, "no program given")
        self.assert_refused(self.unblock("check", "--bogus", "true"), 125, "check", "--help")
        self.assertIn("Exit status", self.check("--help", code=0))

    def test_a_program_called_check_runs_by_its_path(self):
        program = compile_c("int main(void) { return 9; }", self.folder / "check")
        self.assert_silent(self.unblock(program), 9)

    def test_an_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            command = [os.environ["UNBLOCK_TEST_COMMAND"], "check", "/bin/true"]
            result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30,
                                    env=self.environment())
        self.assertEqual(result.returncode, 125)


if __name__ == "__main__":
    unittest.main()
