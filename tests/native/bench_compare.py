"""mayfly-bench compare: bad input, peers that work, and peers that do not."""
import os
import pathlib
import subprocess
import tempfile

from bench_run import TIME_LIMIT_S, bench_path, compare, expect_nothing_left, records, sample_counts, script
from kit import case, expect, expect_equal, program, scratch_file


def expect_refused(folder, arguments, *words):
    result = compare(folder, *arguments)
    expect_equal(result.returncode, 1, f"status ({result.stderr!r})")
    expect_equal(result.stdout, "", "stdout")
    lines = result.stderr.splitlines()
    expect_equal(len(lines), 1, f"lines on stderr ({result.stderr!r})")
    for word in ["mayfly-bench: ", *words]:
        expect(word in lines[0], f"{word!r} is not in {lines[0]!r}")


@case(needs_kvm=False)
def bad_flags():
    with tempfile.TemporaryDirectory() as folder:
        good = script(folder, "peer", "true")
        text = scratch_file(folder, "text", b"no program")
        expect_refused(folder, ["--peer", f"xen={good}"], "xen", "qemu, kvmtool, firecracker and cloud-hypervisor")
        expect_refused(folder, ["--peer", "qemu"], "NAME=PATH")
        expect_refused(folder, ["--peer", f"qemu={text}"], text, "is no program")
        expect_refused(folder, ["--peer", f"qemu={folder}"], folder, "is no program")
        expect_refused(folder, ["--peer", f"qemu={good}", "--peer", f"qemu={good}"], "twice")
        expect_refused(folder, ["--guest", "windows"], "windows", "stub, unikernel, kernel and debian")
        expect_refused(folder, ["--guest", "stub", "--guest", "stub"], "twice")
        expect_refused(folder, ["--runs", "0"], "--runs")
        expect_refused(folder, ["--limit", "0s"], "--limit", "0s")
        expect_refused(folder, ["--limit", "10"], "--limit")


@case()
def results_that_cannot_be_written():
    with tempfile.TemporaryDirectory() as folder:
        other = scratch_file(folder, "other", b"mine\n")
        expect_refused(folder, ["--results", "/dev/full"], "/dev/full", "No space left")
        expect_refused(folder, ["--results", f"{folder}/none/file"], "none/file")
        expect_refused(folder, ["--results", other], other, "no results file")
        expect_equal(pathlib.Path(other).read_bytes(), b"mine\n", "another's file")


@case()
def without_a_peer_the_floor_and_mayfly_are_measured():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results"
        result = compare(folder, "--runs", "3", "--warm-up", "1", "--results", path)
        expect_equal(result.returncode, 0, f"status ({result.stderr!r})")
        expect("no peer is installed" in result.stdout, result.stdout)
        for name in ("qemu", "kvmtool", "firecracker", "cloud-hypervisor"):
            expect(f"{name}: is not installed; give --peer {name}=PATH" in result.stdout, result.stdout)
        found = records(path)
        for guest in ("stub", "unikernel"):
            expect_equal(
                sample_counts(found, guest),
                {(name, figure): 3 for name in ("floor", "mayfly") for figure in ("first output", "end")},
                f"samples with {guest}",
            )
        expect_equal({record["run"] for record in found}, {found[0]["run"]}, "runs")
        expect_equal(found[0]["reference"], "floor", "reference")
        versions = {record["program"]: record["version"] for record in found if record["type"] == "program"}
        expect(versions["mayfly"].startswith("mayfly "), versions)
        expect_equal((found[-1]["type"], found[-1]["outcome"]), ("end", "complete"), "last record")
        absent = {(record["program"], record["guest"]) for record in found if record["type"] == "absent"}
        expect(("qemu", "stub") in absent and ("kvmtool", "unikernel") in absent, absent)


@case()
def mayfly_takes_firecrackers_command_line():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results"
        result = compare(
            folder,
            "--runs",
            "2",
            "--warm-up",
            "0",
            "--guest",
            "stub",
            "--results",
            path,
            "--peer",
            f"firecracker={program()}",
        )
        expect_equal(result.returncode, 0, f"status ({result.stderr!r})")
        expect_equal(sample_counts(records(path), "stub").get(("firecracker", "first output")), 2, result.stdout)


# What a monitor's usage allows, and nothing else; then lines of its own, and the guest's.
STRICT = """
want() { [ "$1" = "$2" ] || { echo "unexpected: $1, not $2" >&2; exit 2; }; }
"""
STRICT_CLOUD_HYPERVISOR = (
    STRICT
    + """
while [ $# -gt 0 ]; do
    case "$1" in
    --kernel) [ -r "$2" ] || exit 3 ;;
    --cpus) want "$2" boot=1 ;;
    --memory) want "$2" size=128M ;;
    --serial) want "$2" tty ;;
    --console) want "$2" off ;;
    *) want "$1" a-known-flag ;;
    esac
    shift 2
done
echo "cloud-hypervisor: starting"
printf 'hel'; printf 'lo\\n'
"""
)
STRICT_QEMU = (
    STRICT
    + """
while [ $# -gt 0 ]; do
    case "$1" in
    -nodefaults | -no-user-config | -nographic | -no-reboot | -enable-kvm) shift; continue ;;
    -M) case "$2" in microvm,*) ;; *) exit 3 ;; esac ;;
    -cpu) case "$2" in host*) ;; *) exit 3 ;; esac ;;
    -m) want "$2" 128m ;;
    -smp) want "$2" 1 ;;
    -serial) want "$2" stdio ;;
    -kernel) [ -r "$2" ] || exit 3 ;;
    *) want "$1" a-known-flag ;;
    esac
    shift 2
done
echo hello
"""
)


@case()
def peers_are_given_what_their_usage_allows():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results"
        qemu = script(folder, "qemu", STRICT_QEMU, "/bin/sleep 1000")
        script(folder, "cloud-hypervisor", STRICT_CLOUD_HYPERVISOR, "exec /bin/sleep 1000")
        result = compare(
            folder, "--runs", "2", "--warm-up", "0", "--guest", "stub", "--results", path, "--peer", f"qemu={qemu}"
        )
        expect_equal(result.returncode, 0, f"status ({result.stderr!r})")
        counts = sample_counts(records(path), "stub")
        for name in ("qemu", "cloud-hypervisor"):
            expect_equal(counts.get((name, "first output")), 2, f"runs of {name} ({result.stdout})")
        expect("v1.2.3" in result.stdout, result.stdout)
        expect_nothing_left(folder)


@case()
def peers_that_do_not_work_are_named():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results"
        silent = script(folder, "silent", "exec /bin/sleep 1000")
        chatty = script(folder, "chatty", "while :; do echo booting; /bin/sleep 0.1; done")
        broken = script(folder, "broken", "echo first >&2; echo 'no such option' >&2; exit 1")
        result = compare(
            folder,
            "--runs",
            "2",
            "--warm-up",
            "0",
            "--guest",
            "stub",
            "--limit",
            "500ms",
            "--results",
            path,
            "--peer",
            f"qemu={silent}",
            "--peer",
            f"firecracker={chatty}",
            "--peer",
            f"cloud-hypervisor={broken}",
            "--peer",
            f"kvmtool={silent}",
        )
        expect_equal(result.returncode, 0, f"status ({result.stderr!r})")
        reasons = {record["program"]: record["reason"] for record in records(path) if record["type"] == "absent"}
        expect_equal(
            reasons,
            {
                "qemu": "printed nothing in 0.5 s",
                "firecracker": 'did not print "hello" in 0.5 s',
                "cloud-hypervisor": "ended before its guest printed anything: no such option",
                "kvmtool": "boots a bzImage or a flat binary, no ELF",
            },
            "reasons",
        )
        for name, reason in reasons.items():
            expect(f"{name} with stub: {reason}" in result.stdout, result.stdout)
        expect_equal(sample_counts(records(path), "stub").get(("mayfly", "end")), 2, "runs of mayfly")
        expect_nothing_left(folder)


@case()
def a_peer_that_cannot_be_executed_is_named():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results"
        no_program = scratch_file(folder, "no-program", b"\x00 no program")
        os.chmod(no_program, 0o755)
        result = compare(
            folder,
            "--runs",
            "2",
            "--warm-up",
            "0",
            "--guest",
            "stub",
            "--results",
            path,
            "--peer",
            f"qemu={no_program}",
        )
        expect_equal(result.returncode, 0, f"status ({result.stderr!r})")
        reasons = {record["program"]: record["reason"] for record in records(path) if record["type"] == "absent"}
        expect_equal(reasons["qemu"], "cannot start the program: Exec format error", "reason")
        expect_equal(sample_counts(records(path), "stub").get(("mayfly", "end")), 2, "runs of mayfly")


@case()
def a_peer_that_stops_working_leaves_the_rounds_to_the_others():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results"
        fickle = script(
            folder,
            "fickle",
            f"echo x >>{folder}/count",
            f"[ $(/usr/bin/wc -l <{folder}/count) -lt 4 ] || exit 1",
            "echo hello; exec /bin/sleep 1000",
        )
        result = compare(
            folder, "--runs", "5", "--warm-up", "0", "--guest", "stub", "--results", path, "--peer", f"qemu={fickle}"
        )
        expect_equal(result.returncode, 0, f"status ({result.stderr!r})")
        counts = sample_counts(records(path), "stub")
        expect_equal(
            counts, {(name, figure): 5 for name in ("floor", "mayfly") for figure in ("first output", "end")}, "samples"
        )
        expect("qemu with stub: ended" in result.stdout, result.stdout)


@case()
def stages_sum_up_to_the_first_output():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results"
        result = subprocess.run(
            [bench_path(), "startup", "--runs", "5", "--warm-up", "1", "--stages", "--results", path],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIME_LIMIT_S,
        )
        expect_equal(result.returncode, 0, f"status ({result.stderr!r})")
        expect("first exit" in result.stdout, result.stdout)
        found = records(path)
        stages = next(record["stages"] for record in found if record["type"] == "stages")
        expect_equal(stages[0]["name"], "spawn", "first stage")
        first = next(
            record["samples"]
            for record in found
            if record["type"] == "samples"
            and (record["program"], record["figure"]) == ("traced mayfly", "first output")
        )
        for run, wanted in enumerate(first):
            durations = [stage["samples"][run] for stage in stages]
            expect(min(durations) >= 0 and abs(sum(durations) - wanted) < 0.1, f"{durations} is not {wanted}")
