#include "monitor/doctor/check.hpp"

#include <gtest/gtest.h>

#include "monitor/doctor/fake_host.hpp"

namespace {

constexpr const char* kVulnerabilities = "sys/devices/system/cpu/vulnerabilities/";

// A check finds so, and says these words of what it has found and of what to do.
void expect_finding(const FakeHost& fake, const char* check, Verdict verdict,
                    std::string_view found = "", std::string_view remedy = "") {
    const Finding finding = fake.finding(check);
    EXPECT_EQ(finding.verdict, verdict) << check << ": " << finding.found;
    EXPECT_NE(finding.found.find(found), std::string::npos) << check << ": " << finding.found;
    EXPECT_NE(finding.remedy.find(remedy), std::string::npos) << check << ": " << finding.remedy;
    if (verdict == Verdict::kWarn || verdict == Verdict::kFail) {
        EXPECT_FALSE(finding.remedy.empty()) << check;
    }
}

class Doctor : public testing::Test {
protected:
    FakeHost fake_;
};

TEST_F(Doctor, TellsWhyThereIsNoKvm) {
    fake_.answers.kvm.open_error = ENOENT;
    fake_.write("proc/cpuinfo", "processor : 0\nflags\t: fpu sse2\n");
    expect_finding(fake_, "processor", Verdict::kFail, "neither", "firmware");
    expect_finding(fake_, "kvm-device", Verdict::kFail, "/dev/kvm", "see processor");
    expect_finding(fake_, "kvm-api", Verdict::kSkip);
    expect_finding(fake_, "kvm-vm", Verdict::kSkip);

    fake_.write("proc/cpuinfo", "flags\t: fpu vmx\n");
    expect_finding(fake_, "processor", Verdict::kOk, "VT-x");
    expect_finding(fake_, "kvm-device", Verdict::kFail, "", "modprobe kvm_intel");
    fake_.write("proc/cpuinfo", "flags\t: fpu svm\n");
    expect_finding(fake_, "processor", Verdict::kOk, "AMD-V");
    expect_finding(fake_, "kvm-device", Verdict::kFail, "", "modprobe kvm_amd");
    fake_.write("sys/module/kvm_amd/parameters/nested", "0\n");
    expect_finding(fake_, "kvm-device", Verdict::kFail, "", "mknod");

    fake_.answers.kvm.open_error = EACCES;
    expect_finding(fake_, "kvm-device", Verdict::kFail, "ermission denied", "usermod");
    fake_.answers.kvm.denied_by = "is on a mount";
    expect_finding(fake_, "kvm-device", Verdict::kFail, "ermission denied", "is on a mount");
    fake_.answers.kvm.open_error = EPERM;
    expect_finding(fake_, "kvm-device", Verdict::kFail, "", "10:232");
}

TEST_F(Doctor, TakesKvmThatWorksWithoutTheProcessor) {
    fake_.write("proc/cpuinfo", "flags\t: fpu\n");
    expect_finding(fake_, "processor", Verdict::kOk, "does without");
    expect_finding(fake_, "kvm-device", Verdict::kOk);
    fake_.answers.kvm.open_error = EACCES;
    expect_finding(fake_, "processor", Verdict::kFail);
    fake_.write("sys/module/kvm_pvm/refcnt", "0\n");
    expect_finding(fake_, "processor", Verdict::kOk, "does without");
}

TEST_F(Doctor, NamesWhatKvmLacks) {
    fake_.answers.kvm.missing = {"IRQFD", "PIT2"};
    expect_finding(fake_, "kvm-api", Verdict::kFail, "IRQFD PIT2");
    fake_.answers.kvm.missing = {};
    fake_.answers.kvm.slower_without = {"COALESCED_PIO"};
    expect_finding(fake_, "kvm-api", Verdict::kWarn, "COALESCED_PIO");
    fake_.answers.kvm.version = 11;
    expect_finding(fake_, "kvm-api", Verdict::kFail, "11");
}

TEST_F(Doctor, TellsOfVmsThatCannotBeMadeOrSlowly) {
    fake_.answers.kvm.create_us = 30'000;
    expect_finding(fake_, "kvm-vm", Verdict::kWarn, "30000 us", "cgroup-moves");
    fake_.answers.kvm.create_error = EBUSY;
    expect_finding(fake_, "kvm-vm", Verdict::kFail, "", "hypervisor");
    fake_.answers.kvm.create_error = ENOMEM;
    expect_finding(fake_, "kvm-vm", Verdict::kFail, "emory");
}

TEST_F(Doctor, KnowsOldKernels) {
    for (const char* const release : {"5.10.0-13-amd64", "4.19", "5", "", "x.y"}) {
        fake_.answers.release = release;
        expect_finding(fake_, "kernel", Verdict::kWarn, release, "5.13");
    }
    for (const char* const release : {"5.13.0", "6.1.0-13-amd64", "10.0-rc1"}) {
        fake_.answers.release = release;
        expect_finding(fake_, "kernel", Verdict::kOk, release);
    }
}

TEST_F(Doctor, KnowsWhichKernelLocksMemory) {
    fake_.answers.locked_bytes = 64 << 10;
    expect_finding(fake_, "locked-memory", Verdict::kOk);
    fake_.answers.release = "5.11.0";
    expect_finding(fake_, "locked-memory", Verdict::kWarn, "64 KiB", "ulimit -l");
}

TEST_F(Doctor, TellsOfLimitsAndFilters) {
    fake_.answers.open_files = 64;
    expect_finding(fake_, "open-files", Verdict::kWarn, "64", "ulimit -n");
    fake_.answers.open_files = UINT64_MAX;
    expect_finding(fake_, "open-files", Verdict::kOk, "unlimited");
    fake_.answers.seccomp = ENOSYS;
    expect_finding(fake_, "seccomp", Verdict::kFail);
}

TEST_F(Doctor, TellsWhyThereIsNoRing) {
    expect_finding(fake_, "io-uring", Verdict::kOk);
    fake_.answers.ring = Error{"io_uring_setup", EPERM, "a hint"};
    expect_finding(fake_, "io-uring", Verdict::kWarn, "io_uring_setup", "a hint");
    fake_.write("proc/sys/kernel/io_uring_disabled", "2\n");
    expect_finding(fake_, "io-uring", Verdict::kWarn, "", "kernel.io_uring_disabled=0");
    fake_.write("proc/sys/kernel/io_uring_disabled", "1\n");
    fake_.answers.user = 1000;
    expect_finding(fake_, "io-uring", Verdict::kWarn, "", "io_uring_group");
}

TEST_F(Doctor, TellsOfTheNetwork) {
    fake_.answers.tun = ENOENT;
    expect_finding(fake_, "tun", Verdict::kWarn, "/dev/net/tun", "modprobe tun");
    fake_.answers.tun = EACCES;
    expect_finding(fake_, "tun", Verdict::kWarn, "", "allow");
    fake_.answers.tun = 0;
    fake_.answers.trial.rules = EOPNOTSUPP;
    expect_finding(fake_, "nf-tables", Verdict::kWarn, "nf_tables", "5.12");
    fake_.answers.trial.user_namespace = EPERM;
    expect_finding(fake_, "tun", Verdict::kOk);
    expect_finding(fake_, "nf-tables", Verdict::kSkip);

    fake_.write("proc/self/status", "Name:\tx\nCapEff:\t0000000000001000\n");
    expect_finding(fake_, "net-admin", Verdict::kOk);
    fake_.write("proc/self/status", "Name:\tx\nCapEff:\t000001ffffffefff\n");
    expect_finding(fake_, "net-admin", Verdict::kWarn, "", "tap=NAME");
}

TEST_F(Doctor, LooksAtTheInterfaceByWhichGuestsWouldLeave) {
    const std::string head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";
    fake_.write("proc/net/route", head);
    expect_finding(fake_, "forwarding", Verdict::kSkip);
    fake_.write("proc/net/route", head + "eth0\t00000000\t010011AC\t3\t0\t0\t0\t00000000\n");
    fake_.write("proc/sys/net/ipv4/conf/eth0/forwarding", "0\n");
    expect_finding(fake_, "forwarding", Verdict::kWarn, "ip_forward", "sysctl");
    fake_.write("proc/sys/net/ipv4/conf/eth0/forwarding", "1\n");
    expect_finding(fake_, "forwarding", Verdict::kOk, "eth0");
}

TEST_F(Doctor, LooksAtTheSizesOfTables) {
    expect_finding(fake_, "conntrack", Verdict::kSkip);
    expect_finding(fake_, "neighbours", Verdict::kSkip);
    fake_.write("proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
    expect_finding(fake_, "conntrack", Verdict::kWarn, "65536");
    fake_.write("proc/sys/net/netfilter/nf_conntrack_max", "1048576\n");
    fake_.write("proc/sys/net/netfilter/nf_conntrack_count", "12\n");
    expect_finding(fake_, "conntrack", Verdict::kOk, "12 of 1048576");
    fake_.write("proc/sys/net/netfilter/nf_conntrack_count", "900000\n");
    expect_finding(fake_, "conntrack", Verdict::kWarn, "900000 of");
    fake_.write("proc/sys/net/ipv4/neigh/default/gc_thresh3", "1024\n");
    expect_finding(fake_, "neighbours", Verdict::kWarn, "1024", "gc_thresh3");
    fake_.write("proc/sys/net/ipv4/neigh/default/gc_thresh3", "16384\n");
    expect_finding(fake_, "neighbours", Verdict::kOk);
}

TEST_F(Doctor, TellsWhatKeepsUserNamespacesAway) {
    fake_.answers.user = 1000;
    expect_finding(fake_, "user-namespaces", Verdict::kOk);
    fake_.answers.trial.user_namespace = EPERM;
    expect_finding(fake_, "user-namespaces", Verdict::kWarn, "unshare");
    expect_finding(fake_, "namespaces", Verdict::kSkip);
    fake_.write("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    expect_finding(fake_, "user-namespaces", Verdict::kWarn, "apparmor");
    fake_.write("proc/sys/kernel/unprivileged_userns_clone", "0\n");
    expect_finding(fake_, "user-namespaces", Verdict::kWarn, "unprivileged_userns_clone");
    fake_.write("proc/sys/user/max_user_namespaces", "0\n");
    expect_finding(fake_, "user-namespaces", Verdict::kWarn, "max_user_namespaces");
    fake_.answers.user = 0;
    expect_finding(fake_, "user-namespaces", Verdict::kOk, "root does without");
}

TEST_F(Doctor, TellsWhyThereIsNoJail) {
    fake_.answers.trial.namespaces = ENOSPC;
    expect_finding(fake_, "namespaces", Verdict::kWarn, "unshare", "max_net_namespaces");
    fake_.answers.trial.namespaces = EPERM;
    expect_finding(fake_, "namespaces", Verdict::kWarn, "", "CAP_SYS_ADMIN");
    fake_.answers.landlock = -EOPNOTSUPP;
    expect_finding(fake_, "landlock", Verdict::kWarn, "boot", "lsm=");
    fake_.answers.landlock = -ENOSYS;
    expect_finding(fake_, "landlock", Verdict::kWarn, "", "5.13");
}

TEST_F(Doctor, KnowsBothVersionsOfCgroups) {
    expect_finding(fake_, "cgroups", Verdict::kSkip);
    fake_.write("proc/self/mounts", "proc /proc proc rw 0 0\n");
    expect_finding(fake_, "cgroups", Verdict::kWarn, "no memory");
    expect_finding(fake_, "cgroup-moves", Verdict::kSkip);
    fake_.write("proc/self/mounts",
                "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
                "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
    fake_.write("sys/fs/cgroup/unified/cgroup.controllers", "\n");
    expect_finding(fake_, "cgroups", Verdict::kWarn, "version 1");
    expect_finding(fake_, "cgroup-moves", Verdict::kWarn, "wait", "favordynmods");

    fake_.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw,favordynmods 0 0\n");
    fake_.write("sys/fs/cgroup/cgroup.controllers", "cpu io memory\n");
    expect_finding(fake_, "cgroups", Verdict::kWarn, "without pids");
    expect_finding(fake_, "cgroup-moves", Verdict::kOk);
    fake_.write("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
    expect_finding(fake_, "cgroups", Verdict::kOk, "version 2");
}

TEST_F(Doctor, LooksForACgroupOfTheUsers) {
    expect_finding(fake_, "delegation", Verdict::kOk, "root");
    fake_.answers.user = 1000;
    fake_.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    fake_.write("proc/self/cgroup", "3:cpu:/x\n0::/user.slice/mine\n");
    expect_finding(fake_, "delegation", Verdict::kWarn, "no cgroup", "Delegate");
    fake_.write("sys/fs/cgroup/user.slice/mine/cgroup.subtree_control", "");
    expect_finding(fake_, "delegation", Verdict::kOk, "/user.slice/mine");
}

TEST_F(Doctor, LooksAtTheProcessor) {
    expect_finding(fake_, "smt", Verdict::kSkip);
    fake_.write("sys/devices/system/cpu/smt/active", "1\n");
    expect_finding(fake_, "smt", Verdict::kWarn, "share", "nosmt");
    expect_finding(fake_, "core-scheduling", Verdict::kOk, "available");
    fake_.answers.core_scheduling = EINVAL;
    expect_finding(fake_, "core-scheduling", Verdict::kWarn, "PR_SCHED_CORE", "SMT");
    fake_.write("sys/devices/system/cpu/smt/active", "0\n");
    expect_finding(fake_, "smt", Verdict::kOk);
    expect_finding(fake_, "core-scheduling", Verdict::kOk, "not needed");

    expect_finding(fake_, "vulnerabilities", Verdict::kSkip);
    fake_.write(std::string(kVulnerabilities) + "mds", "Mitigation: Clear CPU buffers\n");
    expect_finding(fake_, "vulnerabilities", Verdict::kOk);
    fake_.write(std::string(kVulnerabilities) + "retbleed", "Vulnerable\n");
    fake_.write(std::string(kVulnerabilities) + "tsa", "Vulnerable: no microcode\n");
    expect_finding(fake_, "vulnerabilities", Verdict::kWarn, "retbleed, tsa");

    fake_.write("proc/cpuinfo", "microcode\t: 0x11\n\nmicrocode\t: 0x11\n");
    expect_finding(fake_, "microcode", Verdict::kWarn, "0x11, too old: tsa", "microcode");
    fake_.write(std::string(kVulnerabilities) + "tsa", "Not affected\n");
    expect_finding(fake_, "microcode", Verdict::kOk, "0x11");
    fake_.write("proc/cpuinfo", "microcode\t: 0x11\n\nmicrocode\t: 0x12\n");
    expect_finding(fake_, "microcode", Verdict::kWarn, "differ");
    fake_.write("proc/cpuinfo", "flags : hypervisor\nmicrocode\t: 0x1\n");
    expect_finding(fake_, "microcode", Verdict::kOk, "hypervisor");
    fake_.write("proc/cpuinfo", "flags : fpu\n");
    expect_finding(fake_, "microcode", Verdict::kSkip);
}

TEST_F(Doctor, LooksAtWhatKvmDoesAgainstIt) {
    const std::string l1tf = std::string(kVulnerabilities) + "l1tf";
    const std::string multihit = std::string(kVulnerabilities) + "itlb_multihit";
    const char* const flush = "sys/module/kvm_intel/parameters/vmentry_l1d_flush";
    const char* const nx = "sys/module/kvm/parameters/nx_huge_pages";
    fake_.write(l1tf, "Not affected\n");
    fake_.write(multihit, "Not affected\n");
    expect_finding(fake_, "l1tf", Verdict::kOk);
    expect_finding(fake_, "nx-huge-pages", Verdict::kOk);
    fake_.write(l1tf, "Mitigation: PTE Inversion; VMX: conditional cache flushes\n");
    fake_.write(multihit, "KVM: Vulnerable\n");
    expect_finding(fake_, "l1tf", Verdict::kSkip);
    expect_finding(fake_, "nx-huge-pages", Verdict::kSkip);
    fake_.write(flush, "cond\n");
    fake_.write(nx, "N\n");
    expect_finding(fake_, "l1tf", Verdict::kWarn, "cond", "always");
    expect_finding(fake_, "nx-huge-pages", Verdict::kWarn, "off", "force");
    fake_.write(flush, "always\n");
    fake_.write(nx, "Y\n");
    expect_finding(fake_, "l1tf", Verdict::kOk);
    expect_finding(fake_, "nx-huge-pages", Verdict::kOk);

    expect_finding(fake_, "nested", Verdict::kSkip);
    fake_.write("sys/module/kvm_intel/parameters/nested", "Y\n");
    expect_finding(fake_, "nested", Verdict::kWarn, "nested", "nested=0");
    fake_.write("sys/module/kvm_intel/parameters/nested", "N\n");
    expect_finding(fake_, "nested", Verdict::kOk);
}

TEST_F(Doctor, LooksAtMemoryAndWhatTheKernelTells) {
    expect_finding(fake_, "ksm", Verdict::kOk, "not in this kernel");
    fake_.write("sys/kernel/mm/ksm/run", "1\n");
    expect_finding(fake_, "ksm", Verdict::kWarn, "", "echo 2");
    fake_.write("sys/kernel/mm/ksm/run", "2\n");
    expect_finding(fake_, "ksm", Verdict::kOk);

    expect_finding(fake_, "swap", Verdict::kSkip);
    const std::string head = "Filename\tType\tSize\n";
    fake_.write("proc/swaps", head);
    expect_finding(fake_, "swap", Verdict::kOk);
    fake_.write("proc/swaps", head + "/dev/sda2 partition 1\n");
    expect_finding(fake_, "swap", Verdict::kWarn, "/dev/sda2", "swapoff");

    fake_.write("proc/sys/kernel/kptr_restrict", "0\n");
    expect_finding(fake_, "kernel-pointers", Verdict::kWarn, "", "kptr_restrict=1");
    fake_.write("proc/sys/kernel/dmesg_restrict", "1\n");
    expect_finding(fake_, "kernel-log", Verdict::kOk);

    fake_.write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    expect_finding(fake_, "huge-pages", Verdict::kWarn, "always", "madvise");
    fake_.write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    expect_finding(fake_, "huge-pages", Verdict::kOk);
}

TEST_F(Doctor, LooksForWhatUnboundsTheJournal) {
    expect_finding(fake_, "logs", Verdict::kSkip, "", "logrotate");
    fake_.write("run/systemd/journal/socket", "");
    expect_finding(fake_, "logs", Verdict::kOk);
    fake_.write("etc/systemd/journald.conf", "[Journal]\n#RateLimitBurst=0\nSystemMaxUse=1G\n");
    expect_finding(fake_, "logs", Verdict::kOk);
    fake_.write("etc/systemd/journald.conf.d/10-mine.conf", "[Journal]\nRateLimitBurst=0\n");
    expect_finding(fake_, "logs", Verdict::kWarn, "RateLimitBurst", "journald.conf");
}

// What a file does not say is never taken for good.
TEST_F(Doctor, AnEmptyHostIsNotSafe) {
    for (const char* const check : {"smt", "vulnerabilities", "l1tf", "nx-huge-pages", "microcode",
                                    "nested", "swap", "kernel-pointers", "kernel-log", "net-admin",
                                    "forwarding", "conntrack", "neighbours", "cgroups", "logs"})
        expect_finding(fake_, check, Verdict::kSkip);
}

}  // namespace
