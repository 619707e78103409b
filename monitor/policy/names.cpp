#include "monitor/policy/names.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <asm/ioctls.h>
#include <csignal>
#include <ctime>
#include <seccomp.h>

#include "monitor/kvm/ioctl.hpp"
#include "monitor/sandbox/filter_file.hpp"

namespace {

struct Constant {
    std::string_view name;
    uint64_t value;
};

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): the name is the point.
#define CONSTANT(name)                       \
    Constant {                               \
#name, static_cast < uint64_t>(name) \
    }

// What has been needed so far. (A policy may write any other as a number.)
const std::array kConstants = {
    CONSTANT(AF_INET),
    CONSTANT(BLKGETSIZE64),
    CONSTANT(BLKPBSZGET),
    CONSTANT(BLKROGET),
    CONSTANT(BLKSSZGET),
    CONSTANT(CLOCK_MONOTONIC),
    CONSTANT(CLOCK_PROCESS_CPUTIME_ID),
    CONSTANT(CLOCK_REALTIME),
    CONSTANT(FALLOC_FL_KEEP_SIZE),
    CONSTANT(FALLOC_FL_PUNCH_HOLE),
    CONSTANT(FALLOC_FL_ZERO_RANGE),
    CONSTANT(F_DUPFD_CLOEXEC),
    CONSTANT(F_GETFD),
    CONSTANT(F_GETFL),
    CONSTANT(F_OFD_GETLK),
    CONSTANT(F_OFD_SETLK),
    CONSTANT(F_SETFD),
    CONSTANT(FUTEX_PRIVATE_FLAG),
    CONSTANT(FUTEX_WAIT),
    CONSTANT(FUTEX_WAIT_BITSET),
    CONSTANT(FUTEX_WAKE),
    CONSTANT(FUTEX_CLOCK_REALTIME),
    CONSTANT(IORING_REGISTER_FILES_UPDATE),
    CONSTANT(KVM_CHECK_EXTENSION),
    CONSTANT(KVM_CREATE_PIT2),
    CONSTANT(KVM_GET_CLOCK),
    Constant{"KVM_GET_CPUID2", kvm_request::kGetCpuid2.number},  // C++ has its size wrong
    CONSTANT(KVM_GET_DEBUGREGS),
    CONSTANT(KVM_GET_IRQCHIP),
    CONSTANT(KVM_GET_LAPIC),
    CONSTANT(KVM_GET_MP_STATE),
    Constant{"KVM_GET_MSRS", kvm_request::kGetMsrsNumber},  // the same
    CONSTANT(KVM_GET_PIT2),
    CONSTANT(KVM_GET_REGS),
    CONSTANT(KVM_GET_SREGS),
    CONSTANT(KVM_GET_TSC_KHZ),
    CONSTANT(KVM_GET_VCPU_EVENTS),
    CONSTANT(KVM_GET_XCRS),
    Constant{"KVM_GET_XSAVE", kvm_request::kGetXsave.number},
    Constant{"KVM_GET_XSAVE2", kvm_request::kGetXsave2.number},
    CONSTANT(KVM_KVMCLOCK_CTRL),
    CONSTANT(KVM_RUN),
    CONSTANT(KVM_SET_PIT2),
    CONSTANT(KVM_TRANSLATE),
    CONSTANT(MADV_DONTNEED),
    CONSTANT(MADV_FREE),
    CONSTANT(MAP_ANONYMOUS),
    CONSTANT(MAP_FIXED),
    CONSTANT(MAP_NORESERVE),
    CONSTANT(MAP_PRIVATE),
    CONSTANT(MAP_STACK),
    CONSTANT(MREMAP_MAYMOVE),
    CONSTANT(MSG_DONTWAIT),
    CONSTANT(MSG_NOSIGNAL),
    Constant{"OWN_PID", filter_file::kOwnPid},
    CONSTANT(PROT_EXEC),
    CONSTANT(PROT_NONE),
    CONSTANT(PROT_READ),
    CONSTANT(PROT_WRITE),
    CONSTANT(PR_GET_SPECULATION_CTRL),
    CONSTANT(PR_SET_NAME),
    CONSTANT(PR_SET_NO_NEW_PRIVS),
    CONSTANT(PR_SET_SPECULATION_CTRL),
    CONSTANT(PR_SPEC_STORE_BYPASS),
    CONSTANT(SECCOMP_SET_MODE_FILTER),
    CONSTANT(SHUT_WR),
    CONSTANT(SIGINT),
    CONSTANT(SIGQUIT),
    CONSTANT(SIGRTMAX),
    CONSTANT(SIGRTMIN),
    CONSTANT(SIGSTOP),
    CONSTANT(SIGTERM),
    CONSTANT(SIG_UNBLOCK),
    CONSTANT(SIOCGIFINDEX),
    CONSTANT(SIOCGIFMTU),
    CONSTANT(SOCK_CLOEXEC),
    CONSTANT(SOCK_DGRAM),
    CONSTANT(TCGETS),
    CONSTANT(TCSETS),
    CONSTANT(TIOCGPGRP),
    CONSTANT(TIOCGWINSZ),
    CONSTANT(TUNGETIFF),
    CONSTANT(TUNSETIFF),
    CONSTANT(TUNSETOFFLOAD),
    CONSTANT(TUNSETVNETHDRSZ),
};

}  // namespace

std::optional<uint64_t> find_constant(std::string_view name) {
    const auto found = std::ranges::find(kConstants, name, &Constant::name);
    if (found == kConstants.end()) return std::nullopt;
    return found->value;
}

std::optional<int> find_system_call(const std::string& name) {
    const int number = ::seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, name.c_str());
    // Negative: an error, or a call that other processors have.
    if (number < 0) return std::nullopt;
    return number;
}
