"""mayfly doctor: what it says of this host as root, as an ordinary user and where there is no /dev/kvm; that its two forms
and its page agree, and that it leaves nothing behind."""
import json
import os
import pathlib
import re
import shutil
import subprocess

from kit import Skipped, case, expect, expect_equal, expect_refused, is_sanitized, mayfly, program, scratch

ROOT = pathlib.Path(__file__).parents[2]
COLUMNS = 100
TEXT_AT = 25
LINE = re.compile(r"  (ok  |warn|fail|skip)  (\S+) +(\S.*)")


def diagnose(*flags, **more):
    """Status, and name, verdict, what was found and the remedy of each check."""
    result = mayfly("doctor", "--json", *flags, **more)
    expect_equal(result.stderr, b"", "stderr")
    told = json.loads(result.stdout)
    found = [
        (one["name"], one["verdict"], one["found"], one["remedy"])
        for section in told["sections"]
        for one in section["checks"]
    ]
    expect_equal(told["can_run"], all(verdict != "fail" for _, verdict, _, _ in found), "can_run")
    return result.returncode, found


def verdicts(found):
    return {name: verdict for name, verdict, _, _ in found}


def without_numbers(text):
    """Times and counts differ from run to run."""
    return re.sub(r"\d+", "N", text)


def needs_root():
    if os.geteuid() != 0:
        raise Skipped("becoming another user, and namespaces of mounts, need root")


def in_other_dev(script, *words):
    """The doctor where `script` has changed /dev."""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec", f'{script}; exec "$@"', "sh", program(), "doctor", *words],
        capture_output=True,
        check=False,
    )
    if not done.stdout and b"mount" in done.stderr:
        raise Skipped(f"no mount can be made here: {done.stderr}")
    return done


@case(needs_kvm=False)
def each_check_is_on_the_page_and_each_of_the_page_is_a_check():
    page = (ROOT / "docs/production-host.md").read_text()
    told = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    expect_equal(told, [name for name, *_ in diagnose()[1]], "headings of docs/production-host.md")


@case(needs_kvm=False)
def text_and_json_say_the_same():
    lines = mayfly("doctor").stdout.decode().splitlines()
    for line in lines:
        expect(len(line) <= COLUMNS, f"{len(line)} columns: {line}")
    said = []
    for line in lines:
        if match := LINE.fullmatch(line):
            said.append([match[2], match[1].strip(), match[3]])
        elif line.startswith(" " * TEXT_AT):
            said[-1][2] += " " + line.strip()
    wanted = [
        [name, verdict, "; ".join(filter(None, [found, remedy]))] for name, verdict, found, remedy in diagnose()[1]
    ]
    expect_equal(
        [[without_numbers(word) for word in one] for one in said],
        [[without_numbers(word) for word in one] for one in wanted],
        "lines",
    )


@case()
def where_vms_run_it_says_so():
    status, found = diagnose()
    expect_equal(status, 0, "status")
    by_name = verdicts(found)
    for name in ("kvm-device", "kvm-api", "kvm-vm", "seccomp"):
        expect_equal(by_name[name], "ok", name)
    for name, verdict, _, remedy in found:
        expect(verdict not in ("warn", "fail") or remedy, f"{name} has no remedy")
    has_warning = "warn" in by_name.values()
    expect_equal(mayfly("doctor", "--strict").returncode, 1 if has_warning else 0, "status with --strict")


@case(needs_kvm=False)
def without_the_device_it_says_why():
    needs_root()
    done = in_other_dev("mount -t tmpfs none /dev", "--json")
    expect_equal(done.returncode, 1, "status")
    found = {one["name"]: one for section in json.loads(done.stdout)["sections"] for one in section["checks"]}
    expect_equal(found["kvm-device"]["verdict"], "fail", "kvm-device")
    expect("No such file" in found["kvm-device"]["found"], found["kvm-device"])
    expect(found["kvm-device"]["remedy"], "no remedy")
    expect_equal(found["kvm-vm"]["verdict"], "skip", "kvm-vm")
    expect_equal(found["tun"]["verdict"], "warn", "tun")


@case()
def another_device_of_its_name_is_not_kvm():
    needs_root()
    done = in_other_dev("mount --bind /dev/null /dev/kvm")
    expect_equal(done.returncode, 1, "status")
    expect(re.search(rb"\n  fail  kvm-api +version 0 in place of 12; ", done.stdout), done.stdout)


@case()
def an_ordinary_user_is_told_what_it_lacks():
    needs_root()
    if is_sanitized():
        raise Skipped("only a release is there for every user to read")
    with scratch() as folder:
        os.chmod(folder, 0o755)
        shutil.copy(program(), folder / "mayfly")
        done = subprocess.run(
            [folder / "mayfly", "doctor", "--json"],
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
        may_open = (os.stat("/dev/kvm").st_mode & 0o006) == 0o006
    found = {one["name"]: one for section in json.loads(done.stdout)["sections"] for one in section["checks"]}
    expect_equal(done.returncode, 0 if may_open else 1, "status")
    expect_equal(found["net-admin"]["verdict"], "warn", "net-admin")
    if not may_open:
        expect_equal(found["kvm-device"]["verdict"], "fail", "kvm-device")
        expect("usermod -aG kvm" in found["kvm-device"]["remedy"], found["kvm-device"])
    expect_equal(list(found), [name for name, *_ in diagnose()[1]], "checks")


def interfaces_and_rules():
    links = sorted(os.listdir("/sys/class/net"))
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=False).stdout
    return links, rules, pathlib.Path("/proc/self/mounts").read_text()


@case(needs_kvm=False, alone="it compares the interfaces, rules and mounts of the host")
def nothing_is_left_behind():
    before = interfaces_and_rules()
    for _ in range(3):
        diagnose()
    expect_equal(interfaces_and_rules(), before, "interfaces, rules, mounts")


@case(needs_kvm=False)
def what_it_does_not_take():
    expect_refused(mayfly("doctor", "--kernel", "x"), "--kernel", "unknown flag")
    expect_refused(mayfly("doctor", "kvm"), "kvm")
    expect_refused(mayfly("doctor", "--", "kvm"), "kvm", "flags alone")
    expect_refused(mayfly("run", "--strict"), "--strict", "unknown flag")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([program(), "doctor"], stdout=full, stderr=subprocess.PIPE, check=False)
    expect_equal(done.returncode, 125, "status where nothing can be written")
    expect(b"stdout" in done.stderr, f"it said {done.stderr!r}")
