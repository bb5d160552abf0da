"""Programs that gain rights when they are started: the loader ignores the preload, and the command says so."""
import os
import shutil
import struct
import subprocess
import unittest

from fixture import COMMAND, CommandTest

NOBODY = 65534

# How a program's file grants the capability to bind low ports (bit 10), from the moment it starts.
CAPABILITIES = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


@unittest.skipUnless(os.geteuid() == 0, "only root can make files that give rights of others")
class Privilege(CommandTest):
    def setUp(self):
        super().setUp()
        if os.statvfs(self.folder).f_flag & os.ST_NOSUID:
            self.skipTest("temporary files are on a mount where no program gains rights")
        self.command = shutil.copy(COMMAND, self.home / "unblock")

    def env(self, mode, owner=0, group=0):
        """A copy of env with these rights."""
        path = self.folder / "env"
        shutil.copy("/usr/bin/env", path)
        os.chown(path, owner, group)
        path.chmod(mode)
        return path

    def env_with_capabilities(self):
        path = self.env(0o755)
        os.setxattr(path, "security.capability", CAPABILITIES)
        return path

    def as_nobody(self, program, *before):
        command = [*before, str(self.command), str(program)]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=30, user=NOBODY,
                              group=NOBODY, extra_groups=[])

    def assert_native(self, result, says):
        self.assert_one_line(result, says, "LD_PRELOAD", "native threads")
        self.assertEqual(result.returncode, 0)
        self.assertNotIn("LD_PRELOAD=", result.stdout)

    def assert_preloaded(self, result):
        self.assert_silent(result)
        self.assertIn(f"LD_PRELOAD={self.library}\n", result.stdout)

    def test_a_program_of_another_user(self):
        self.assert_native(self.as_nobody(self.env(0o4755)), "is set-user-id")
        self.assert_native(self.unblock(self.env(0o4755, owner=NOBODY)), "is set-user-id")

    def test_a_program_of_another_group(self):
        self.assert_native(self.as_nobody(self.env(0o2755)), "is set-group-id")

    def test_a_program_with_capabilities(self):
        self.assert_native(self.as_nobody(self.env_with_capabilities()), "has file capabilities")

    def test_a_script_whose_interpreter_gains_rights(self):
        interpreter = shutil.copy("/bin/cat", self.folder / "interpreter")
        os.chmod(interpreter, 0o4755)
        script = self.write("script", f"#!{interpreter}\n")
        result = self.as_nobody(script)
        self.assert_one_line(result, str(interpreter), "is set-user-id", "native threads")
        self.assertEqual((result.returncode, result.stdout), (0, script.read_text()))

    def test_a_program_that_cannot_be_read(self):
        self.assert_native(self.as_nobody(self.env(0o4711)), "is set-user-id")

    def test_who_has_the_rights_already_gains_none(self):
        self.assert_preloaded(self.unblock(self.env(0o4755)))
        self.assert_preloaded(self.unblock(self.env(0o2755)))
        self.assert_preloaded(self.as_nobody(self.env(0o4755, owner=NOBODY)))
        self.assert_preloaded(self.unblock(self.env_with_capabilities()))

    def test_a_group_bit_without_the_right_to_execute_is_no_identity(self):
        self.assert_preloaded(self.as_nobody(self.env(0o2745)))

    def test_nobody_gains_rights_where_new_ones_are_forbidden(self):
        self.assert_preloaded(self.as_nobody(self.env(0o4755), "setpriv", "--no-new-privs"))


if __name__ == "__main__":
    unittest.main()
