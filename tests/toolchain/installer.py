"""What toolchain/install does when something is in its way, and the tool chain that is in the cache. Nothing is downloaded:
the installer's copies pin a wheel that is made here, whose zig is a script."""
import functools
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import time
import zipfile

from kit import Failed, Skipped, case, expect, expect_equal, scratch

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "toolchain"
WHEEL = "ziglang-0.15.2-py3-none-any.whl"
PATIENCE = 60  # seconds, for what takes two on a quiet machine


class Place:
    """An installer of its own, a folder of wheels in place of PyPI, and a cache."""

    def __init__(self, folder, zig="#!/bin/sh\nexit 7\n"):
        self.folder = pathlib.Path(folder)
        self.cache = self.folder / "cache"
        self.wheels = self.folder / "wheels"
        self.wheels.mkdir()
        self.installer = self.folder / "toolchain"
        shutil.copytree(SOURCE, self.installer)
        with zipfile.ZipFile(self.wheels / WHEEL, "w") as wheel:
            wheel.writestr("ziglang/zig", zig)
            wheel.writestr(
                "ziglang-0.15.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: ziglang\nVersion: 0.15.2\n"
            )
            wheel.writestr(
                "ziglang-0.15.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr("ziglang-0.15.2.dist-info/RECORD", "")
        self.pin(hashlib.sha256((self.wheels / WHEEL).read_bytes()).hexdigest())

    def pin(self, digest):
        (self.installer / "requirements.txt").write_text(f"ziglang==0.15.2 --hash=sha256:{digest}\n", encoding="utf-8")

    def start(self, *before, **environment):
        # An address that refuses: whoever asks an index finds none, whatever this machine has.
        values = {
            **os.environ,
            "MAYFLY_CACHE": str(self.cache),
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_INDEX_URL": "http://127.0.0.1:9/",
            "PIP_RETRIES": "0",
            **environment,
        }
        return subprocess.Popen(
            [*before, self.installer / "install"],
            env=values,
            stdin=subprocess.DEVNULL,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def fails(self, *before, **environment):
        """What it says when it ends with status 1: the last line. It leaves nothing behind and prints no folder."""
        process = self.start(*before, **environment)
        out, errors = process.communicate(timeout=PATIENCE)
        expect(process.returncode == 1, f"status {process.returncode}: {errors}")
        expect(out == "", f"a folder is printed: {out}")
        expect(self.left() == [], f"left behind: {self.left()}")
        return errors.splitlines()[-1]

    def left(self):
        return sorted(path.name for path in self.cache.glob("*[.-]*") if path.name != "toolchain.lock") + sorted(
            path.name for path in self.cache.glob(".*")
        )

    def works_at(self):
        """The folder in the cache that a running installation works in, once it has come to its zig."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for path in self.cache.glob(".toolchain.*/zig-runs"):
                return path.parent
            time.sleep(0.05)
        raise Failed("the installation does not come to its zig")


def in_a_folder(body):
    """The case gets a folder of its own that is removed behind it."""

    @functools.wraps(body)
    def case_in_a_folder():
        with scratch() as folder:
            body(folder)

    return case_in_a_folder


SLOW_ZIG = '#!/bin/sh\ntouch "${0%/*}/../zig-runs"\nexec sleep 300\n'


@case
@in_a_folder
def no_index(folder):
    place = Place(folder)
    (place.wheels / WHEEL).unlink()
    said = place.fails()
    expect("a network is needed once" in said and said.startswith("mayfly-toolchain: downloads ziglang 0.15.2"), said)


@case
@in_a_folder
def wrong_hash(folder):
    place = Place(folder)
    place.pin("0" * 64)
    said = place.fails()
    expect("its hash differs" in said and "requirements.txt" in said, said)


@case
@in_a_folder
def no_pip(folder):
    place = Place(folder)
    stub = place.folder / "stub"
    stub.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n", encoding="utf-8")
    stub.chmod(0o755)
    if os.geteuid() != 0:
        raise Skipped("needs root, to hide /usr/bin/python3")
    script = f'mount --bind {stub} $(readlink -f /usr/bin/python3) && exec "$0"'
    programs = place.folder / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(stub)
    said = place.fails("unshare", "-m", "sh", "-c", script, PATH=f"{programs}:{os.environ['PATH']}")
    expect(said == "mayfly-toolchain: pip: is missing; install the package python3-pip", said)


@case
@in_a_folder
def full_disk(folder):
    place = Place(folder, zig="#!/bin/sh\n" + "#" * 3_000_000)
    if os.geteuid() != 0:
        raise Skipped("needs root, to mount a small disk")
    place.cache.mkdir()
    script = f'mount -t tmpfs -o size=1M none {place.cache} && exec "$0"'
    said = place.fails("unshare", "-m", "sh", "-c", script)
    expect(f"the disk of {place.cache} is full" in said and "MAYFLY_CACHE" in said, said)


@case
@in_a_folder
def cache_that_is_no_folder(folder):
    place = Place(folder)
    said = place.fails(MAYFLY_CACHE="/dev/null/cache")
    expect(said == "mayfly-toolchain: /dev/null/cache: cannot be written; name another folder in MAYFLY_CACHE", said)


@case
@in_a_folder
def broken_compiler(folder):
    said = Place(folder).fails()
    expect("failed with status 7" in said, said)


@case
@in_a_folder
def terminated(folder):
    place = Place(folder, SLOW_ZIG)
    process = place.start()
    place.works_at()
    process.terminate()
    process.communicate(timeout=PATIENCE)
    expect_equal(process.returncode, 143, "status")
    expect_equal(place.left(), [], "left behind")


@case
@in_a_folder
def killed(folder):
    """What kill -9 leaves is no tool chain; the next one removes it and holds the lock at once."""
    place = Place(folder, SLOW_ZIG)
    first = place.start()
    remains = place.works_at()
    os.kill(first.pid, signal.SIGKILL)
    first.wait(timeout=PATIENCE)
    expect(remains.is_dir(), "this case needs something that was left")
    second = place.start()
    place.works_at()
    deadline = time.monotonic() + PATIENCE
    while remains.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    expect(not remains.exists(), "what was left is still there")
    second.terminate()
    second.communicate(timeout=PATIENCE)


@case
@in_a_folder
def two_at_once(folder):
    """The second waits, says so, and takes what the first has made."""
    place = Place(folder, SLOW_ZIG)
    first = place.start()
    place.works_at()
    second = place.start()
    expect_equal(second.stderr.readline(), "mayfly-toolchain: waits for another installation\n", "what the second says")
    key = hashlib.sha256(
        (place.installer / "install").read_bytes() + (place.installer / "requirements.txt").read_bytes()
    ).hexdigest()[:16]
    ready = place.cache / f"toolchain-{key}"
    ready.mkdir()
    first.terminate()
    first.communicate(timeout=PATIENCE)
    out, errors = second.communicate(timeout=PATIENCE)
    expect_equal((second.returncode, out), (0, f"{ready}\n"), f"{second.returncode}: {out}{errors}")


@case
@in_a_folder
def cached_needs_nothing(folder):
    """The tool chain that init was built by: found without network and pip, and what it builds runs."""
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": folder, "PATH": "/usr/bin:/bin"}
    asked = subprocess.run([SOURCE / "install"], env=environment, capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise Skipped("no tool chain in the cache: " + asked.stderr.splitlines()[-1])
    program = pathlib.Path(folder) / "program.cpp"
    program.write_text(
        "#include <charconv>\n#include <cstdio>\n#include <string>\n#include <version>\n"
        "#ifndef _LIBCPP_VERSION\n#error not libc++\n#endif\n#ifdef __GLIBC__\n#error glibc\n#endif\n"
        "int main(int count, char** words) { std::string text(std::to_string(count) + words[1]);\n"
        "  int number = 0; std::from_chars(text.data(), text.data() + text.size(), number);\n"
        '  return std::printf("%d\\n", number) < 0; }\n',
        encoding="utf-8",
    )
    built = program.with_suffix("")
    subprocess.run(
        [
            asked.stdout.strip() + "/bin/clang++",
            "-std=c++20",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Os",
            "-flto",
            "-fno-exceptions",
            "-fno-rtti",
            "-Wl,-z,pack-relative-relocs",
            program,
            "-o",
            built,
        ],
        check=True,
    )
    kind = subprocess.run(["readelf", "-lW", built], check=True, capture_output=True, text=True).stdout
    expect("DYN (" in kind and "INTERP" not in kind, "not static-PIE")
    out = subprocess.run([built, "42"], check=True, capture_output=True, text=True).stdout
    expect_equal(out, "242\n", "what the program says")
