"""README's examples, typed by a user: an interactive shell on a pseudo-terminal, in a folder with the files they name.

What boots a stock Linux there is a small kernel of ours here, which prints a line and ends; the nested tier has the rest.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess

from pc_timer import pvh_kernel

from kit import Skipped, build_folder, case, expect, expect_equal, program, scratch, scratch_file
from kit.terminal import Terminal

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMPT = b"typed@here$ "
LIMIT_S = 60
LINE = b"Linux, as it were\r\n"  # as a terminal shows it
KERNEL = b"\x66\xba\xf8\x03" + b"".join(b"\xb0%c\xee" % byte for byte in LINE.replace(b"\r", b"")) + b"\xb0\x2a"


def block(heading, at=0):
    """An indented block of README below a heading: its lines, without what follows a # with blanks before it."""
    section = "\n" + README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+", section)
    return [re.sub(r" {2,}#.*$", "", line[4:]) for line in blocks[at].splitlines()]


class Shell(Terminal):
    """bash, as it is at a login."""

    def __init__(self, folder, *inside):
        super().__init__()
        os.set_inheritable(self.slave, True)
        environment = {**os.environ, "PATH": f"{build_folder()}/bin:{os.environ['PATH']}", "TERM": "dumb"}
        environment |= {"PS1": PROMPT.decode(), "HISTFILE": "/dev/null"}
        environment.pop("PROMPT_COMMAND", None)
        self.process = subprocess.Popen(
            [*inside, "setsid", "--ctty", "bash", "--norc", "--noprofile", "-i"],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            cwd=folder,
            env=environment,
        )
        self.take_until(PROMPT)

    def take_until(self, text):
        """What was printed up to there, without it."""
        self.read_until(text, LIMIT_S)
        before, _, self.output = self.output.partition(text)
        return before

    def type(self, line):
        """Types a line and waits for the next prompt: what was printed, without the line's echo."""
        os.write(self.master, line.encode() + b"\n")
        return self.take_until(PROMPT).partition(b"\n")[2]

    def expect_status(self, status, what):
        expect_equal(self.type("echo $?"), b"%d\r\n" % status, what)

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGHUP)
        self.process.kill()
        self.process.wait()
        self.close()


@contextlib.contextmanager
def shell(*inside):
    """In a folder with the files of the examples. `inside` is a command that becomes the shell somewhere else."""
    with scratch() as folder:
        os.rename(pvh_kernel(folder, KERNEL), folder / "vmlinux")
        for name in ("initrd.img", "root.img", "scratch.img", "root.ext4"):
            scratch_file(folder, name, bytes(1 << 20))
        typist = Shell(folder, *inside)
        try:
            yield typist
        finally:
            typist.end()


def with_network():
    """A network namespace with the TAP of the examples."""
    script = 'ip tuntap add tap0 mode tap && exec "$@"'
    words = ["unshare", "--net", "sh", "-c", script, "sh"]
    if subprocess.run([*words, "true"], check=False, capture_output=True).returncode != 0:
        raise Skipped("making a TAP needs root")
    return words


def rooted(*binds):
    """The words that become a command which sees folders of ours where the system's are: pairs of those."""
    script = "; ".join(f"mount --bind '{ours}' '{theirs}'" for ours, theirs in binds)
    words = ["unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh"]
    if subprocess.run([*words, "true"], check=False, capture_output=True).returncode != 0:
        raise Skipped("mounts need root")
    return words


@case()
def kernels_of_the_users():
    with shell(*with_network()) as typist:
        settings = typist.type("stty -g")
        for line in block("Run a kernel of yours"):
            expect_equal(typist.type(line), LINE, line)
            typist.expect_status(42, line)
        expect_equal(typist.type("stty -g"), settings, "the terminal's settings")


@case()
def the_api():
    """In the background of the shell that also asks."""
    with shell(*with_network()) as typist:
        settings = typist.type("stty -g")
        lines = [line.replace("/tmp/", "./") for line in block("By Firecracker's API")]
        expect(lines[0].endswith("&") and "./" in lines[0], "the first line is another")
        typist.type(lines[0])
        typist.type("while ! [ -S ./vm.socket ]; do sleep 0.1; done")
        for line in lines[1:-1]:
            expect_equal(typist.type(line), b"", line)
        said = typist.type(lines[-1] + "; wait %1")  # no prompt amidst the guest's line
        expect(LINE in said, f"no guest: {said!r}")
        typist.expect_status(42, f"its end: {said!r}")
        expect_equal(typist.type("stty -g"), settings, "the terminal's settings")


def has_unified_cgroups():
    return os.access("/sys/fs/cgroup/cgroup.subtree_control", os.W_OK)


@case(unsanitized="a jail's root has no place for a sanitizer's files")
def the_jailer():
    with scratch() as place:
        lines = " ".join(line.rstrip("\\").strip() for line in block("In a jail"))
        if not has_unified_cgroups():  # the rest of the example stands without them
            lines = re.sub(r"--cgroup \S+ ", "", lines)
        (place / "srv").mkdir()
        pvh_kernel(place / "srv", KERNEL)
        os.rename(place / "srv/pvh", place / "srv/vmlinux")
        (place / "bin").mkdir()
        shutil.copy(program(), place / "bin")
        with shell(*rooted((place / "srv", "/srv"), (place / "bin", "/usr/local/bin"))) as typist:
            expect_equal(typist.type(lines), LINE, lines)
            typist.expect_status(42, lines)
            typist.type("while ls /srv/jailer/mayfly | grep -q .; do sleep 0.1; done")  # until it is cleaned up


@case(unsanitized="a sanitizer's build is not for installation")
def what_was_built_is_installed_and_found():
    """As root for a folder where the system looks for libraries, and where it does not look."""
    install = block("Build")[1]
    with scratch() as place:
        for name in ("local", "etc"):
            (place / name).mkdir()
        subprocess.run(["cp", "-a", "/etc/.", str(place / "etc")], check=True)
        with shell(*rooted((place / "local", "/usr/local"), (place / "etc", "/etc"))) as typist:
            typist.type("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            typist.type(f"mkdir build && ln -s '{build_folder()}' build/release")
            said = typist.type(install + " >said 2>&1")
            typist.expect_status(0, f"{install} ({said!r})")
            said = typist.type("grep -v -e '^-- Install' -e '^-- Up-to-date' said")
            has_kernel = (build_folder() / "lib/mayfly/vmlinux").exists()
            expect_equal(
                b"no guest kernel" in said, not has_kernel, f"whether it tells of a kernel that lacks ({said!r})"
            )
            typist.type("mayfly run -- quiet exit=7")
            typist.expect_status(7, "the guest's")
            example = ROOT / "library/examples/run.c"
            said = typist.type(f"cp '{example}' run.c && cc run.c $(pkg-config --cflags --libs mayfly) -o program")
            typist.expect_status(0, f"a program with libmayfly ({said!r})")
            said = typist.type("./program")
            expect(b"usage" in said, f"the program does not start: {said!r}")
            said = typist.type(
                "cmake --install build/release --prefix ./elsewhere | grep -v -e '^-- Install' -e '^-- Up-'"
            )
            expect(b"elsewhere/lib" in said, f"nothing tells where the library is: {said!r}")


@case(unsanitized="a sanitizer's library wants its own run time")
def a_program_with_vms():
    lines = "\n".join(block("In your program"))
    with scratch() as folder:
        source = scratch_file(
            folder,
            "program.c",
            f"""#include <mayfly.h>
            int main(int count, char **words) {{
                const char *config_json = words[count - 1];
                {lines.replace("mayfly_destroy(vm);", "mayfly_destroy(vm); return status;")}
                return 1;
            }}""".encode(),
        )
        subprocess.run(
            ["cc", source, f"-I{ROOT}/library", f"-L{build_folder()}/lib", "-lmayfly", "-o", folder / "program"],
            check=True,
            timeout=LIMIT_S,
        )
        kernel = pvh_kernel(folder, KERNEL)
        environment = {"LD_LIBRARY_PATH": f"{build_folder()}/lib", "PATH": f"{build_folder()}/bin"}
        config = f'{{"boot-source": {{"kernel_image_path": "{kernel}"}}}}'
        result = subprocess.run(
            [folder / "program", config], env=environment, check=False, capture_output=True, timeout=LIMIT_S
        )
        expect_equal((result.returncode, result.stderr), (42, b""), "the program's status and errors")
