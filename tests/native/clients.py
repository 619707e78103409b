"""Programs that drive Firecracker drive Mayfly: by SDKs in Go, Rust and Python, each pinned, and by Node's http client.

Their sources are in tests/clients. What they are made of comes from the languages' own registries, once: it stays in the
user's cache, under a name that changes with what is pinned. Where it cannot be had a case is skipped and says why.
"""
import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from bad_input import kernel_of
from kit import Failed, Skipped, build_folder, case, expect, scratch, scratch_file

ROOT = pathlib.Path(__file__).resolve().parents[1] / "clients"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mayfly/clients"
FIRECRACKER = "lib/mayfly/firecracker/firecracker"
WITHOUT_SANITIZERS = "clients give up after half a second"
FETCH_S, BUILD_S, RUN_S = 180, 400, 60


def source_of(language):
    return ROOT / language


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()[:16]


def tool(name):
    found = shutil.which(name)
    if found is None:
        raise Skipped(f"no {name} here")
    return found


def run(words, folder, failure, **environment):
    """Runs it to its end; `failure` is raised with its last words: Skipped where it fetches."""
    limit_s = FETCH_S if failure is Skipped else BUILD_S
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env={**os.environ, **environment},
            check=False,
            capture_output=True,
            text=True,
            timeout=limit_s,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise failure(f"{words[0]} did not end within {limit_s} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise failure(f"{' '.join(words[:3])}: {last}")


@contextlib.contextmanager
def making(language):
    """A folder in the cache, and whether it is to be filled: it gets its name when that has been done."""
    ready = CACHE / f"{language}-{digest(source_of(language))}"
    if ready.exists():
        yield ready, False
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    half = CACHE / f".{ready.name}.{os.getpid()}"
    half.mkdir()
    try:
        yield half, True
        half.rename(ready)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def made(language, make):
    with making(language) as (folder, is_empty):
        if is_empty:
            source = folder / "source"
            shutil.copytree(source_of(language), source)
            make(source, folder)
            if language != "python":
                shutil.rmtree(source)
    return CACHE / f"{language}-{digest(source_of(language))}"


def make_go(source, folder):
    run([tool("go"), "mod", "download"], source, Skipped, GOFLAGS="-mod=readonly")
    run([tool("go"), "build", "-o", str(folder / "client"), "."], source, Failed, GOFLAGS="-mod=readonly")


def make_rust(source, folder):
    run([tool("cargo"), "fetch", "--locked"], source, Skipped)
    target = folder / "target"
    run([tool("cargo"), "build", "--locked", "--offline"], source, Failed, CARGO_TARGET_DIR=str(target))
    shutil.copy(target / "debug/client", folder / "client")
    shutil.rmtree(target)


def make_python(source, folder):
    words = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    words += ["--root-user-action=ignore", "--target", str(folder / "packages")]
    run([*words, "-r", "requirements.txt"], source, Skipped)


def drive(words, **environment):
    """Has a client start, drive and end a VM of its own, with a TAP where this user may make one."""
    with scratch() as folder:
        kernel = kernel_of(folder)
        for name in ("disk", "other", "disk.new"):
            scratch_file(folder, name, bytes(1 << 20))
        operands = [str(build_folder() / FIRECRACKER), str(folder / "sock"), kernel]
        operands += [str(folder / "disk"), str(folder / "other")]
        inside = ["unshare", "--net", "--mount", "sh", "-ec"]
        inside += ['ip tuntap add tap0 mode tap; mount -t tmpfs none /var/lib; exec "$@" tap0', "sh"]
        if os.geteuid() != 0:
            inside = []
        done = subprocess.run(
            [*inside, *words, *operands],
            check=False,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            env={**os.environ, **environment},
        )
        expect(done.returncode == 0, f"status {done.returncode}: {done.stdout[-600:]} {done.stderr[-600:]}")
        expect("end" in done.stdout.split("\n"), f"it did not come to its end: {done.stdout!r}")


@case(unsanitized=WITHOUT_SANITIZERS, limit_s=900)
def a_go_sdk():
    drive([str(made("go", make_go) / "client")])


@case(unsanitized=WITHOUT_SANITIZERS, limit_s=900)
def a_rust_sdk():
    drive([str(made("rust", make_rust) / "client")])


@case(unsanitized=WITHOUT_SANITIZERS, limit_s=900)
def a_python_sdk():
    folder = made("python", make_python)
    drive([sys.executable, str(folder / "source/client.py")], PYTHONPATH=str(folder / "packages"))


@case(unsanitized=WITHOUT_SANITIZERS)
def nodes_http_client():
    drive([tool("node"), str(source_of("node") / "client.js")])
