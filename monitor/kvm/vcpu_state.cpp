#include "monitor/kvm/vcpu_state.hpp"

#include <algorithm>

#include "base/monotonic_clock.hpp"
#include "monitor/kvm/ioctl.hpp"
#include "monitor/kvm/msr_table.hpp"

namespace {

namespace request = kvm_request;

using Msrs = KvmMsrs<msr::kMostSaved>;
constexpr auto kGetMsrs = request::kGetMsrs<msr::kMostSaved>;
constexpr auto kSetMsrs = request::kSetMsrs<msr::kMostSaved>;

// Intel SDM vol. 3 §2.5, AMD APM vol. 2 §15.4: who runs guests of its own; SDM vol. 1 §17.2.
constexpr uint64_t kCr4Vmx = 1U << 13;
constexpr uint64_t kEferSvm = 1U << 12;
constexpr uint64_t kCetShadowStack = 1U << 0;

Result<> save_cpuid(const Vcpu& vcpu, std::vector<kvm_cpuid_entry2>& into) {
    KvmCpuid list;
    list.header.nent = KvmCpuid::kMaxEntries;
    TRY(kvm_ioctl(vcpu.fd(), request::kGetCpuid2, list));
    into.assign(list.entries.begin(), list.entries.begin() + list.header.nent);
    return Ok{};
}

Result<> save_xsave(const Vcpu& vcpu, std::vector<std::byte>& into) {
    // The older of the two is on every host, and refuses what is longer.
    const auto& get = into.size() > kXsaveBytes ? request::kGetXsave2 : request::kGetXsave;
    TRY(kvm_ioctl(vcpu.fd(), get, *into.data()));
    return Ok{};
}

// Those of kSaved from `range` on.
void list_msrs(Msrs& list, size_t range) {
    uint32_t count = 0;
    for (; range < msr::kSaved.size(); ++range)
        for (uint32_t i = 0; i < msr::kSaved[range].count; ++i)
            list.entries[count++] = {.index = msr::kSaved[range].first + i};
    list.header.nmsrs = count;
}

// KVM stops at the first that the host does not have; it has none of what follows in its range.
Result<> save_msrs(const Vcpu& vcpu, std::vector<kvm_msr_entry>& into) {
    into.clear();
    Msrs list;
    size_t range = 0;
    for (list_msrs(list, 0); list.header.nmsrs != 0; list_msrs(list, range)) {
        const auto known = static_cast<uint32_t>(TRY(kvm_ioctl(vcpu.fd(), kGetMsrs, list)));
        into.insert(into.end(), list.entries.begin(), list.entries.begin() + known);
        uint32_t passed = 0;
        while (range < msr::kSaved.size() && passed <= known) passed += msr::kSaved[range++].count;
    }
    return Ok{};
}

const kvm_msr_entry* find_msr(const VcpuState& state, uint32_t index) {
    const auto found = std::ranges::find(state.msrs, index, &kvm_msr_entry::index);
    return found == state.msrs.end() ? nullptr : &*found;
}

// What of a guest is in none of KVM's structures here.
Result<> expect_complete(const VcpuState& state) {
    if ((state.sregs.cr4 & kCr4Vmx) != 0 || (state.sregs.efer & kEferSvm) != 0)
        return Error{"nested virtualization", ENOTSUP, "the guest runs guests of its own"};
    for (const uint32_t index : {msr::kUserCet, msr::kSupervisorCet}) {
        const kvm_msr_entry* const cet = find_msr(state, index);
        if (cet != nullptr && (cet->data & kCetShadowStack) != 0)
            return Error{msr::name(index), ENOTSUP, "the guest is on a shadow stack"};
    }
    return Ok{};
}

template <typename Structure>
Result<> set(const Vcpu& vcpu, const KvmRequest<Structure>& request, Structure value) {
    TRY(kvm_ioctl(vcpu.fd(), request, value));
    return Ok{};
}

Result<> check(const VcpuState& state, const RestorePoint& point) {
    if (state.cpuid.size() > KvmCpuid::kMaxEntries)
        return Error{"CPUID entries", 0, "are more than 128", state.cpuid.size()};
    if (state.xsave.size() < kXsaveBytes)
        return Error{"XSAVE state's bytes", 0, "are less than 4096", state.xsave.size()};
    if (state.xsave.size() > point.xsave_bytes)
        return Error{"XSAVE state's bytes", 0, "are more than this host's KVM takes",
                     state.xsave.size()};
    if (state.msrs.size() > msr::kMostSaved)
        return Error{"MSRs", 0, "are more than there are", state.msrs.size()};
    for (const kvm_msr_entry& entry : state.msrs)
        if (msr::name(entry.index) == nullptr)
            return Error{"MSR", 0, "is not part of a vCPU's state", entry.index};
    return Ok{};
}

Result<> restore_cpuid(const Vcpu& vcpu, const std::vector<kvm_cpuid_entry2>& entries) {
    if (entries.empty()) return Ok{};
    KvmCpuid list;
    list.header.nent = static_cast<uint32_t>(entries.size());
    std::ranges::copy(entries, list.entries.begin());
    return set(vcpu, request::kSetCpuid2, list);
}

// KVM takes as many bytes as this host's processor has, which may be more than were saved.
Result<> restore_xsave(const Vcpu& vcpu, const VcpuState& state, const RestorePoint& point) {
    std::vector<std::byte> area = state.xsave;
    area.resize(std::max(point.xsave_bytes, kXsaveBytes));
    TRY(kvm_ioctl(vcpu.fd(), request::kSetXsave, *area.data()));
    return Ok{};
}

// One that this host does not have is as good as 0 to it.
Result<> write_msrs(const Vcpu& vcpu, std::span<const kvm_msr_entry> entries) {
    Msrs list;
    while (!entries.empty()) {
        list.header.nmsrs = static_cast<uint32_t>(entries.size());
        std::ranges::copy(entries, list.entries.begin());
        const auto taken = static_cast<size_t>(TRY(kvm_ioctl(vcpu.fd(), kSetMsrs, list)));
        if (taken == entries.size()) return Ok{};
        if (entries[taken].data != 0)
            return Error{msr::name(entries[taken].index), 0,
                         "this host's KVM does not take what was saved", entries[taken].index};
        entries = entries.subspan(taken + 1);
    }
    return Ok{};
}

// The time-stamp counters of a VM's vCPUs stay the distance apart that they were, exactly: each
// gets its offset from the host's, reckoned from one moment for all of them. Writes of the MSR come
// at different moments; KVM takes those within a second of each other for one, and until 6.7 also
// for that of a VM just made: a guest that was saved in its first second would fall back. They are
// left to hosts that have no such attribute (before 5.16), or another frequency.
Result<> restore_tsc(const Vcpu& vcpu, const VcpuState& state, const RestorePoint& point) {
    const kvm_msr_entry* const saved = find_msr(state, msr::kTsc);
    if (saved == nullptr) return Ok{};
    const uint32_t host_khz = vcpu.tsc_khz();
    if (state.tsc_khz == 0 || state.tsc_khz == host_khz) {
        uint64_t offset = saved->data - point.host_tsc;
        const kvm_device_attr attribute{
            .group = KVM_VCPU_TSC_CTRL,
            .attr = KVM_VCPU_TSC_OFFSET,
            // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): KVM wants a number.
            .addr = reinterpret_cast<uintptr_t>(&offset),
        };
        if (set(vcpu, request::kSetDeviceAttribute, attribute).ok()) return Ok{};
    } else if (const auto done = kvm_ioctl(vcpu.fd(), request::kSetTscKhz, state.tsc_khz);
               !done.ok()) {
        return Error{"KVM_SET_TSC_KHZ", done.error().code,
                     "this host cannot give the guest the time-stamp counter that it had",
                     state.tsc_khz};
    }
    return write_msrs(vcpu, {saved, 1});
}

// The deadline comes after its counter, whatever the order they are given in.
Result<> restore_msrs(const Vcpu& vcpu, const VcpuState& state, const RestorePoint& point) {
    TRY(restore_tsc(vcpu, state, point));
    std::vector<kvm_msr_entry> most;
    most.reserve(state.msrs.size());
    for (const kvm_msr_entry& entry : state.msrs)
        if (entry.index != msr::kTsc && entry.index != msr::kTscDeadline) most.push_back(entry);
    TRY(write_msrs(vcpu, most));
    const kvm_msr_entry* const deadline = find_msr(state, msr::kTscDeadline);
    if (deadline == nullptr || deadline->data == 0) return Ok{};
    return write_msrs(vcpu, {deadline, 1});
}

}  // namespace

VcpuState vcpu_state_with_room(size_t xsave_bytes) {
    VcpuState state;
    state.cpuid.reserve(KvmCpuid::kMaxEntries);
    state.xsave.resize(std::max(xsave_bytes, kXsaveBytes));
    state.msrs.reserve(msr::kMostSaved);
    return state;
}

Result<> save_vcpu(const Vcpu& vcpu, VcpuState& into) {
    const int fd = vcpu.fd();
    // It takes an INIT or SIPI that has come, which changes the others.
    TRY(kvm_ioctl(fd, request::kGetMpState, into.mp_state));
    TRY(kvm_ioctl(fd, request::kGetRegs, into.regs));
    TRY(kvm_ioctl(fd, request::kGetSregs, into.sregs));
    TRY(save_xsave(vcpu, into.xsave));
    TRY(kvm_ioctl(fd, request::kGetXcrs, into.xcrs));
    TRY(kvm_ioctl(fd, request::kGetDebugregs, into.debug_registers));
    TRY(kvm_ioctl(fd, request::kGetLapic, into.lapic));
    into.tsc_khz = vcpu.tsc_khz();
    TRY(save_cpuid(vcpu, into.cpuid));
    TRY(save_msrs(vcpu, into.msrs));
    TRY(kvm_ioctl(fd, request::kGetVcpuEvents, into.events));
    return expect_complete(into);
}

Result<std::vector<kvm_cpuid_entry2>> told_cpuid(const Vcpu& vcpu) {
    std::vector<kvm_cpuid_entry2> entries;
    TRY(save_cpuid(vcpu, entries));
    return entries;
}

void align_time_stamps(std::span<VcpuState> vcpus) {
    const auto counter_of = [](VcpuState& state) {
        const auto found = std::ranges::find(state.msrs, msr::kTsc, &kvm_msr_entry::index);
        return found == state.msrs.end() ? nullptr : &found->data;
    };
    if (vcpus.empty()) return;
    const __u64* const first = counter_of(vcpus.front());
    if (first == nullptr) return;
    const uint64_t second = uint64_t{vcpus.front().tsc_khz} * 1000;
    for (VcpuState& state : vcpus.subspan(1)) {
        __u64* const counter = counter_of(state);
        if (counter == nullptr) continue;
        const uint64_t apart = *counter > *first ? *counter - *first : *first - *counter;
        if (apart < second) *counter = *first;
    }
}

RestorePoint restore_point(const Vm& vm) {
    const size_t xsave_bytes = vm.xsave_bytes();
    return {
        .xsave_bytes = xsave_bytes, .host_tsc = __builtin_ia32_rdtsc(), .time_ns = monotonic_ns()};
}

Result<> restore_vcpu(const Vcpu& vcpu, const VcpuState& state, const RestorePoint& point) {
    TRY(check(state, point));
    // What CPUID says decides what KVM takes of the rest; CR4, of XCR0; APIC_BASE, of the APIC.
    TRY(restore_cpuid(vcpu, state.cpuid));
    TRY(set(vcpu, request::kSetSregs, state.sregs));
    TRY(set(vcpu, request::kSetXcrs, state.xcrs));
    TRY(restore_xsave(vcpu, state, point));
    TRY(set(vcpu, request::kSetRegs, state.regs));
    // Its timer's mode decides whether there is a deadline.
    TRY(set(vcpu, request::kSetLapic, state.lapic));
    TRY(restore_msrs(vcpu, state, point));
    TRY(set(vcpu, request::kSetDebugregs, state.debug_registers));
    // After the registers, which take an exception that waits away.
    TRY(set(vcpu, request::kSetVcpuEvents, state.events));
    TRY(set(vcpu, request::kSetMpState, state.mp_state));
    vcpu.note_pause();
    return Ok{};
}
