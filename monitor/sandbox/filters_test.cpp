#include "monitor/sandbox/filters.hpp"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <memory>

#include "base/plain_engine.hpp"
#include "base/thread.hpp"
#include "monitor/console/terminal.hpp"
#include "monitor/kvm/ioctl.hpp"
#include "monitor/kvm/kvm.hpp"
#include "monitor/kvm/pit.hpp"
#include "monitor/kvm/vcpu_state.hpp"
#include "monitor/sandbox/fault_guard.hpp"
#include "monitor/sandbox/filter_file.hpp"
#include "monitor/sandbox/forbidden_call.hpp"
#include "monitor/sandbox/sandbox.hpp"

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kIsSanitized = true;
#else
constexpr bool kIsSanitized = false;
#endif
#else
constexpr bool kIsSanitized = false;
#endif

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

TEST(Filters, MalformedFilesAreRefused) {
    EXPECT_FALSE(Filters::parse({}).ok());
    EXPECT_FALSE(Filters::parse(bytes_of("MayflyXX")).ok());
    EXPECT_FALSE(Filters::parse(bytes_of("MayflyBPvcpu")).ok());
    const auto with = [](const char* role, uint32_t count, size_t instructions) {
        filter_file::Header header{.role = {}, .count = count};
        std::memcpy(header.role.data(), role, std::strlen(role));
        auto bytes = bytes_of("MayflyBP");
        const auto head = std::as_bytes(std::span(&header, 1));
        bytes.insert(bytes.end(), head.begin(), head.end());
        bytes.resize(bytes.size() + instructions * sizeof(sock_filter));
        return Filters::parse(std::move(bytes)).ok();
    };
    EXPECT_TRUE(with("vcpu", 2, 2));
    EXPECT_FALSE(with("vcpu", 2, 1));
    EXPECT_FALSE(with("vcpu", 0, 0));
    EXPECT_FALSE(with("vcpu", 4097, 4097));
    EXPECT_FALSE(with("vcpu", UINT32_MAX, 0));
    EXPECT_FALSE(with("gpu", 1, 1));
    EXPECT_FALSE(with("0123456789abcdef", 1, 1));  // no zero in it
}

TEST(ForbiddenCall, HasAName) {
    EXPECT_STREQ(system_call_name(SYS_read), "read");
    EXPECT_STREQ(system_call_name(SYS_io_uring_setup), "io_uring_setup");
    EXPECT_STREQ(system_call_name(100'000), "?");
    EXPECT_STREQ(system_call_name(-1), "?");
}

constexpr int kSurvived = 0;

bool is_vcpu(ThreadRole role) {
    return role == ThreadRole::kVcpu || role == ThreadRole::kVcpuSaved;
}

// Ends the process: what `body` does on a thread of `role`, named as that role's is.
[[noreturn]] void act(ThreadRole role, const std::function<void()>& body) {
    settle_heap();
    if (!enter_sandbox().ok()) ::_exit(1);
    const Filters filters = Filters::embedded();
    const auto confined = [&] {
        if (!filters.install(role).ok()) ::_exit(1);
        body();
    };
    if (role == ThreadRole::kMain || role == ThreadRole::kSetup) {
        confined();
        ::_exit(kSurvived);
    }
    { const auto thread = Thread::start(is_vcpu(role) ? "vcpu0" : "io", confined); }
    ::_exit(kSurvived);
}

TEST(FiltersDeathTest, ARoleThatAFileLeavesOutKeepsTheBinarysOwn) {
    const auto act_with_nothing = [] {
        if (!enter_sandbox().ok()) ::_exit(1);
        const auto filters = Filters::parse(bytes_of("MayflyBP"));
        if (!filters.ok() || !filters.value().install(ThreadRole::kVcpu).ok()) ::_exit(1);
        ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
        ::_exit(kSurvived);
    };
    EXPECT_EXIT(act_with_nothing(), testing::KilledBySignal(SIGSYS), "");
}

struct Attack {
    const char* name;
    long (*call)();
};

long try_clone() {
    return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

// Above what the kernel gives to any process.
constexpr pid_t kNobody = 1 << 22;

// getpid(2), as a program of 32 bits asks for it.
long call_as_32_bits() {
    long result = 20;
    asm volatile("int $0x80" : "+a"(result) : : "memory");
    return result;
}

// What an attacker would do next. None of it is in any role.
constexpr Attack kAttacks[] = {
    {"open", [] { return ::syscall(SYS_open, "/etc/passwd", O_RDONLY); }},
    {"openat2", [] { return ::syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", nullptr, 24); }},
    {"creat", [] { return ::syscall(SYS_creat, "/tmp/x", 0600); }},
    {"socket", [] { return ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }},
    {"connect", [] { return ::syscall(SYS_connect, 0, nullptr, 0); }},
    {"execve", [] { return ::syscall(SYS_execve, "/bin/true", nullptr, nullptr); }},
    {"execveat", [] { return ::syscall(SYS_execveat, 0, "", nullptr, nullptr, AT_EMPTY_PATH); }},
    {"fork", [] { return ::syscall(SYS_fork); }},
    {"clone", try_clone},
    {"clone3", [] { return ::syscall(SYS_clone3, nullptr, 0); }},
    {"ptrace", [] { return ::syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }},
    {"process_vm_writev", [] { return ::syscall(SYS_process_vm_writev, 1, 0, 0, 0, 0, 0); }},
    {"kill", [] { return ::syscall(SYS_kill, 1, SIGTERM); }},
    {"tgkill", [] { return ::syscall(SYS_tgkill, 1, 1, SIGKILL); }},
    {"kick of another process", [] { return ::syscall(SYS_tgkill, kNobody, kNobody, SIGRTMAX); }},
    {"stop of another process", [] { return ::syscall(SYS_tgkill, kNobody, kNobody, SIGSTOP); }},
    {"call of x32", [] { return ::syscall(SYS_read | 0x4000'0000, 0, nullptr, 0); }},
    {"mount", [] { return ::syscall(SYS_mount, "x", "/", "tmpfs", 0, nullptr); }},
    {"pivot_root", [] { return ::syscall(SYS_pivot_root, ".", "."); }},
    {"chroot", [] { return ::syscall(SYS_chroot, "/"); }},
    {"mknod", [] { return ::syscall(SYS_mknod, "/tmp/x", 0600, 0); }},
    {"unshare", [] { return ::syscall(SYS_unshare, 0); }},
    {"setns", [] { return ::syscall(SYS_setns, 0, 0); }},
    {"setuid", [] { return ::syscall(SYS_setuid, 0); }},
    {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
    {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0); }},
    {"memfd_create", [] { return ::syscall(SYS_memfd_create, "x", 0); }},
    {"io_uring_setup", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
    {"io_uring_register", [] { return ::syscall(SYS_io_uring_register, 0, 0, nullptr, 0); }},
    {"seccomp", [] { return ::syscall(SYS_seccomp, 0, 0, nullptr); }},
    {"prctl", [] { return ::syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); }},
    {"dup", [] { return ::syscall(SYS_dup, 0); }},
    {"pread64", [] { return ::syscall(SYS_pread64, 0, nullptr, 0, 0); }},
    {"KVM_CREATE_VM", [] { return ::syscall(SYS_ioctl, 0, KVM_CREATE_VM, 0); }},
    {"TIOCSTI", [] { return ::syscall(SYS_ioctl, 0, TIOCSTI, "x"); }},
    {"mprotect to executable",
     [] { return ::syscall(SYS_mprotect, nullptr, 4096, PROT_READ | PROT_EXEC); }},
    {"mmap executable",
     [] {
         return ::syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
     }},
};

// What the sanitizers' own policy lets through.
bool is_open_to_sanitizers(std::string_view name) {
    return kIsSanitized &&
           (name == "tgkill" || name.ends_with("another process") || name == "prctl");
}

class FiltersDeathTest : public testing::TestWithParam<ThreadRole> {};

TEST_P(FiltersDeathTest, EveryAttackEndsTheProcess) {
    for (const Attack& attack : kAttacks) {
        if (is_open_to_sanitizers(attack.name)) continue;
        EXPECT_EXIT(act(GetParam(), [&] { attack.call(); }), testing::KilledBySignal(SIGSYS), "")
            << attack.name;
    }
}

// What main needs to make a VM for clients. A thread of glibc is made by clone3, whose flags no
// filter sees.
bool is_open_to_setup(std::string_view name) {
    constexpr std::array kOpen{"clone3",  "io_uring_setup", "io_uring_register",
                               "seccomp", "pread64",        "KVM_CREATE_VM"};
    return std::ranges::find(kOpen, name) != kOpen.end();
}

TEST(FiltersDeathTest, SetUpIsNoWayOut) {
    for (const Attack& attack : kAttacks) {
        if (is_open_to_sanitizers(attack.name) || is_open_to_setup(attack.name)) continue;
        EXPECT_EXIT(act(ThreadRole::kSetup, [&] { attack.call(); }),
                    testing::KilledBySignal(SIGSYS), "")
            << attack.name;
    }
}

bool can_call_as_32_bits() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(call_as_32_bits() > 0 ? 0 : 1);
    int status = 1;
    ::waitpid(child, &status, 0);
    return status == 0;
}

TEST_P(FiltersDeathTest, ACallOfAnotherArchitectureEndsTheProcess) {
    if (!can_call_as_32_bits()) GTEST_SKIP() << "the host runs no programs of 32 bits";
    EXPECT_EXIT(act(GetParam(), [] { call_as_32_bits(); }), testing::KilledBySignal(SIGSYS), "");
}

TEST_P(FiltersDeathTest, AGuardedProcessSaysWhichCallOfWhichThread) {
    const auto attack = [role = GetParam()] {
        const auto lost = EventFd::create();
        const Terminal terminal = Terminal::create(TerminalUse::kNone, {});
        const FaultGuard guard({}, lost.value(), terminal);
        act(role, [] { kAttacks[3].call(); });
    };
    const char* const line = GetParam() == ThreadRole::kMain ? "socket.*thread main"
                             : is_vcpu(GetParam())           ? "socket.*thread vcpu0"
                                                             : "socket.*thread io";
    EXPECT_EXIT(attack(), testing::ExitedWithCode(kStatusForbiddenCall), line);
}

INSTANTIATE_TEST_SUITE_P(Roles, FiltersDeathTest,
                         testing::Values(ThreadRole::kMain, ThreadRole::kIo, ThreadRole::kIoPlain,
                                         ThreadRole::kVcpu, ThreadRole::kVcpuSaved),
                         [](const auto& role) {
                             std::string name = name_of(role.param);
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

TEST(FiltersDeathTest, AThreadOfThisProcessMayBeKicked) {
    const auto kick = [] {
        ::signal(SIGRTMAX, SIG_IGN);
        act(ThreadRole::kMain, [id = ::getpid()] { ::syscall(SYS_tgkill, id, id, SIGRTMAX); });
    };
    EXPECT_EXIT(kick(), testing::ExitedWithCode(kSurvived), "");
}

TEST(FiltersDeathTest, TheHeapMayGrow) {
    const auto grow = [] {
        for (int i = 0; i < 64; ++i) {
            auto* const block = new std::byte[16384];
            std::memset(block, 1, 16384);
        }
    };
    for (const ThreadRole role : {ThreadRole::kMain, ThreadRole::kIo, ThreadRole::kIoPlain})
        EXPECT_EXIT(act(role, grow), testing::ExitedWithCode(kSurvived), "") << name_of(role);
}

// On most hosts the vDSO answers, and no filter sees it.
TEST(FiltersDeathTest, TheTimeMayBeAskedOfTheKernel) {
    const auto ask = [] {
        timespec now{};
        for (const clockid_t clock : {CLOCK_MONOTONIC, CLOCK_REALTIME})
            if (::syscall(SYS_clock_gettime, clock, &now) != 0) ::_exit(2);
    };
    for (const ThreadRole role : {ThreadRole::kMain, ThreadRole::kIo, ThreadRole::kIoPlain,
                                  ThreadRole::kVcpu, ThreadRole::kVcpuSaved})
        EXPECT_EXIT(act(role, ask), testing::ExitedWithCode(kSurvived), "") << name_of(role);
}

TEST(FiltersDeathTest, APageThatItsFileLostIsReplaced) {
    const auto touch = [](ThreadRole role) {
        const int file = ::memfd_create("kernel", 0);
        constexpr size_t kBytes = 4096;
        if (::ftruncate(file, kBytes) != 0) ::_exit(2);
        auto* const page = static_cast<std::byte*>(
            ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
        const std::array<GuestMemory::Region, 1> ram{{{GuestAddress{0}, {page, kBytes}}}};
        const auto lost = EventFd::create();
        const Terminal terminal = Terminal::create(TerminalUse::kNone, {});
        const FaultGuard guard(ram, lost.value(), terminal);
        if (::ftruncate(file, 0) != 0) ::_exit(2);
        const GuestMemory memory{ram};
        act(role, [&] {
            const auto word = memory.read<uint64_t>(GuestAddress{8});
            if (!word.ok() || word.value() != 0) ::_exit(3);
        });
    };
    for (const ThreadRole role :
         {ThreadRole::kIo, ThreadRole::kIoPlain, ThreadRole::kVcpu, ThreadRole::kVcpuSaved})
        EXPECT_EXIT(touch(role), testing::ExitedWithCode(kSurvived), "") << name_of(role);
}

// Room for it is made before, as its filter lets it have none.
TEST(FiltersDeathTest, AVcpuOfAVmThatIsSavedMayTellItsState) {
    const auto kvm = Kvm::open();
    if (!kvm.ok()) GTEST_SKIP() << "no /dev/kvm";
    const auto tell = [&kvm] {
        const Vm vm(kvm.value().create_vm().value());
        if (!vm.create_irqchip().ok()) ::_exit(2);
        const Vcpu vcpu =
            Vcpu::create(vm.create_vcpu(0).value(), kvm.value().vcpu_mapping_size().value(),
                         GuestMemory(std::span<std::byte>()))
                .value();
        VcpuState state = vcpu_state_with_room(vm.xsave_bytes());
        act(ThreadRole::kVcpuSaved, [&] {
            if (!save_vcpu(vcpu, state).ok()) ::_exit(3);
        });
    };
    EXPECT_EXIT(tell(), testing::ExitedWithCode(kSurvived), "");
}

TEST(FiltersDeathTest, TheApiMaySaveAVm) {
    const auto kvm = Kvm::open();
    if (!kvm.ok()) GTEST_SKIP() << "no /dev/kvm";
    const auto save = [&kvm] {
        const Vm vm(kvm.value().create_vm().value());
        if (!vm.create_irqchip().ok() || !vm.create_pit(pit_after_reset()).ok()) ::_exit(2);
        act(ThreadRole::kApi, [&] {
            if (!vm.save(PitPresence::kMade).ok()) ::_exit(3);
        });
    };
    EXPECT_EXIT(save(), testing::ExitedWithCode(kSurvived), "");
}

// A disk's operations without io_uring, of which the guests of the native tier ask only some.
TEST(FiltersDeathTest, ThePlainEngineMayDoAllItsOperations) {
    const auto use = [] {
        const int file = ::memfd_create("disk", 0);
        const auto engine = PlainEngine::create();
        struct Count final : IoTarget {
            void complete(const IoCompletion& completion) override {
                if (completion.result < 0) ::_exit(4);
                ++done;
            }
            int done = 0;
        } count;
        const uint16_t target = engine->add_target(count).value();
        const IoFile disk = engine->add_file(file).value();
        act(ThreadRole::kIoPlain, [&] {
            if (!engine->start().ok()) ::_exit(5);
            std::array<char, 8> bytes{};
            const iovec vector{bytes.data(), bytes.size()};
            const auto tag = [target](uint16_t slot) {
                return IoTag{.target = target, .slot = slot};
            };
            engine->writev(disk, {&vector, 1}, 0, tag(0));
            engine->readv(disk, {&vector, 1}, 0, tag(1));
            engine->fdatasync(disk, tag(2));
            engine->fallocate(disk, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096, tag(3));
            while (count.done < 4)
                if (!engine->wait(0).ok()) ::_exit(6);
        });
    };
    EXPECT_EXIT(use(), testing::ExitedWithCode(kSurvived), "");
}

}  // namespace
