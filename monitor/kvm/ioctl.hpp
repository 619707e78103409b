// Typed KVM ioctls: a request and the type of its argument cannot be mixed up, and an error carries
// the request's name. Linux Documentation/virt/kvm/api.rst.
//
// The structures that end in a flexible array are our own: Debian 12's <linux/kvm.h> declares them
// through an empty struct, which has size 1 in C++, so that the sizes inside the request numbers
// come out wrong. The static_asserts hold them to the numbers that C sees.
#pragma once

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/io_control.hpp"
#include "base/result.hpp"

// struct kvm_cpuid2, with room for what any host reports today (about 60 entries).
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): see `entries`.
struct KvmCpuid {
    static constexpr uint32_t kMaxEntries = 128;
    struct Header {
        uint32_t nent;
        uint32_t padding;
    };

    Header header{};
    // Those from header.nent on are not touched, and so not cleared either.
    std::array<kvm_cpuid_entry2, kMaxEntries> entries;
};
static_assert(sizeof(KvmCpuid::Header) == 8);
static_assert(sizeof(kvm_cpuid_entry2) == 40);

// struct kvm_msrs.
template <size_t kCount>
struct KvmMsrs {
    struct Header {
        uint32_t nmsrs;
        uint32_t pad;
    };

    Header header{kCount, 0};
    std::array<kvm_msr_entry, kCount> entries{};
};
static_assert(sizeof(KvmMsrs<1>::Header) == 8 && sizeof(kvm_msr_entry) == 16);

// struct kvm_xsave, as far as its size goes into the numbers: where a processor's state is larger,
// KVM_GET_XSAVE2 and KVM_SET_XSAVE go on behind it (Vm::xsave_bytes()).
constexpr size_t kXsaveBytes = 4096;
using KvmXsave = std::array<std::byte, kXsaveBytes>;

// An ioctl whose argument is a structure of type `Argument`, read or written by KVM.
template <typename Argument>
struct KvmRequest {
    unsigned long number;
    const char* name;
};

// An ioctl whose argument is a number, or none (0).
struct KvmPlainRequest {
    unsigned long number;
    const char* name;
};

namespace kvm_request {

constexpr KvmPlainRequest kGetApiVersion{KVM_GET_API_VERSION, "KVM_GET_API_VERSION"};
constexpr KvmPlainRequest kCreateVm{KVM_CREATE_VM, "KVM_CREATE_VM"};
constexpr KvmPlainRequest kCheckExtension{KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION"};
constexpr KvmPlainRequest kGetVcpuMmapSize{KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE"};
constexpr KvmRequest<KvmCpuid> kGetSupportedCpuid{_IOWR(KVMIO, 0x05, KvmCpuid::Header),
                                                  "KVM_GET_SUPPORTED_CPUID"};

constexpr KvmPlainRequest kCreateVcpu{KVM_CREATE_VCPU, "KVM_CREATE_VCPU"};
constexpr KvmPlainRequest kSetTssAddress{KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR"};
constexpr KvmPlainRequest kCreateIrqchip{KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP"};
constexpr KvmRequest<__u64> kSetIdentityMapAddress{KVM_SET_IDENTITY_MAP_ADDR,
                                                   "KVM_SET_IDENTITY_MAP_ADDR"};
constexpr KvmRequest<kvm_userspace_memory_region> kSetUserMemoryRegion{
    KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION"};
constexpr KvmRequest<kvm_enable_cap> kEnableCapability{KVM_ENABLE_CAP, "KVM_ENABLE_CAP"};
constexpr KvmRequest<kvm_pit_config> kCreatePit2{KVM_CREATE_PIT2, "KVM_CREATE_PIT2"};
constexpr KvmRequest<kvm_pit_state2> kSetPit2{KVM_SET_PIT2, "KVM_SET_PIT2"};
constexpr KvmRequest<kvm_coalesced_mmio_zone> kRegisterCoalescedMmio{KVM_REGISTER_COALESCED_MMIO,
                                                                     "KVM_REGISTER_COALESCED_MMIO"};
constexpr KvmRequest<kvm_pit_state2> kGetPit2{KVM_GET_PIT2, "KVM_GET_PIT2"};
constexpr KvmRequest<kvm_irqchip> kGetIrqchip{KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP"};
constexpr KvmRequest<kvm_irqchip> kSetIrqchip{KVM_SET_IRQCHIP, "KVM_SET_IRQCHIP"};
constexpr KvmRequest<kvm_clock_data> kGetClock{KVM_GET_CLOCK, "KVM_GET_CLOCK"};
constexpr KvmRequest<kvm_clock_data> kSetClock{KVM_SET_CLOCK, "KVM_SET_CLOCK"};
constexpr KvmRequest<kvm_irqfd> kIrqfd{KVM_IRQFD, "KVM_IRQFD"};
constexpr KvmRequest<kvm_ioeventfd> kIoeventfd{KVM_IOEVENTFD, "KVM_IOEVENTFD"};

constexpr KvmPlainRequest kRun{KVM_RUN, "KVM_RUN"};
constexpr KvmPlainRequest kKvmclockCtrl{KVM_KVMCLOCK_CTRL, "KVM_KVMCLOCK_CTRL"};
constexpr KvmPlainRequest kGetTscKhz{KVM_GET_TSC_KHZ, "KVM_GET_TSC_KHZ"};
constexpr KvmPlainRequest kSetTscKhz{KVM_SET_TSC_KHZ, "KVM_SET_TSC_KHZ"};
constexpr KvmRequest<kvm_device_attr> kSetDeviceAttribute{KVM_SET_DEVICE_ATTR,
                                                          "KVM_SET_DEVICE_ATTR"};
constexpr KvmRequest<kvm_regs> kGetRegs{KVM_GET_REGS, "KVM_GET_REGS"};
constexpr KvmRequest<kvm_regs> kSetRegs{KVM_SET_REGS, "KVM_SET_REGS"};
constexpr KvmRequest<kvm_sregs> kGetSregs{KVM_GET_SREGS, "KVM_GET_SREGS"};
constexpr KvmRequest<kvm_sregs> kSetSregs{KVM_SET_SREGS, "KVM_SET_SREGS"};
constexpr KvmRequest<kvm_fpu> kSetFpu{KVM_SET_FPU, "KVM_SET_FPU"};
constexpr KvmRequest<kvm_lapic_state> kGetLapic{KVM_GET_LAPIC, "KVM_GET_LAPIC"};
constexpr KvmRequest<kvm_lapic_state> kSetLapic{KVM_SET_LAPIC, "KVM_SET_LAPIC"};
constexpr KvmRequest<kvm_translation> kTranslate{KVM_TRANSLATE, "KVM_TRANSLATE"};
constexpr KvmRequest<KvmCpuid> kSetCpuid2{_IOW(KVMIO, 0x90, KvmCpuid::Header), "KVM_SET_CPUID2"};
constexpr KvmRequest<KvmCpuid> kGetCpuid2{_IOWR(KVMIO, 0x91, KvmCpuid::Header), "KVM_GET_CPUID2"};
constexpr KvmRequest<kvm_xcrs> kGetXcrs{KVM_GET_XCRS, "KVM_GET_XCRS"};
constexpr KvmRequest<kvm_xcrs> kSetXcrs{KVM_SET_XCRS, "KVM_SET_XCRS"};
// The first of as many bytes as KVM wants.
constexpr KvmRequest<std::byte> kGetXsave{_IOR(KVMIO, 0xa4, KvmXsave), "KVM_GET_XSAVE"};
constexpr KvmRequest<std::byte> kGetXsave2{_IOR(KVMIO, 0xcf, KvmXsave), "KVM_GET_XSAVE2"};
constexpr KvmRequest<std::byte> kSetXsave{_IOW(KVMIO, 0xa5, KvmXsave), "KVM_SET_XSAVE"};
constexpr KvmRequest<kvm_vcpu_events> kGetVcpuEvents{KVM_GET_VCPU_EVENTS, "KVM_GET_VCPU_EVENTS"};
constexpr KvmRequest<kvm_vcpu_events> kSetVcpuEvents{KVM_SET_VCPU_EVENTS, "KVM_SET_VCPU_EVENTS"};
constexpr KvmRequest<kvm_debugregs> kGetDebugregs{KVM_GET_DEBUGREGS, "KVM_GET_DEBUGREGS"};
constexpr KvmRequest<kvm_debugregs> kSetDebugregs{KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS"};
constexpr KvmRequest<kvm_mp_state> kGetMpState{KVM_GET_MP_STATE, "KVM_GET_MP_STATE"};
constexpr KvmRequest<kvm_mp_state> kSetMpState{KVM_SET_MP_STATE, "KVM_SET_MP_STATE"};
constexpr unsigned long kGetMsrsNumber = _IOWR(KVMIO, 0x88, KvmMsrs<1>::Header);
template <size_t kCount>
constexpr KvmRequest<KvmMsrs<kCount>> kGetMsrs{kGetMsrsNumber, "KVM_GET_MSRS"};
constexpr unsigned long kSetMsrsNumber = _IOW(KVMIO, 0x89, KvmMsrs<1>::Header);
template <size_t kCount>
constexpr KvmRequest<KvmMsrs<kCount>> kSetMsrs{kSetMsrsNumber, "KVM_SET_MSRS"};

static_assert(kGetSupportedCpuid.number == 0xC008AE05);
static_assert(kSetCpuid2.number == 0x4008AE90);
static_assert(kGetCpuid2.number == 0xC008AE91);
static_assert(kSetMsrsNumber == 0x4008AE89);
static_assert(kGetMsrsNumber == 0xC008AE88);
static_assert(kGetXsave.number == 0x9000AEA4);
static_assert(kGetXsave2.number == 0x9000AECF);
static_assert(kSetXsave.number == 0x5000AEA5);

}  // namespace kvm_request

// The ioctl's non-negative result. Errors: as the ioctl, named.
inline Result<int> kvm_ioctl(int fd, KvmPlainRequest request, unsigned long argument = 0) {
    const int result = io_control(fd, request.number, argument);
    if (result < 0) return Error::from_errno(request.name);
    return result;
}

template <typename Argument>
Result<int> kvm_ioctl(int fd, const KvmRequest<Argument>& request, Argument& argument) {
    const int result = io_control(fd, request.number, &argument);
    if (result < 0) return Error::from_errno(request.name);
    return result;
}
