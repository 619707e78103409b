#include "monitor/kvm/vcpu_state.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "monitor/kvm/cpu_state.hpp"
#include "monitor/kvm/cpuid_check.hpp"
#include "monitor/kvm/ioctl.hpp"
#include "monitor/kvm/kvm.hpp"
#include "monitor/kvm/msr_table.hpp"
#include "monitor/memory/layout.hpp"

namespace {

constexpr uint32_t kKernelGsBase = 0xc0000102;
constexpr uint32_t kStar = 0xc0000081;
constexpr uint32_t kPat = 0x277;
constexpr uint32_t kStealTime = 0x4b564d03;
constexpr uint32_t kSystemTime = 0x4b564d01;
constexpr size_t kRamBytes = 64 << 10;

std::string text_of(const Error& error) {
    std::array<char, 512> line{};
    return {line.data(), format_error(error, line)};
}

kvm_msr_entry* find_msr(VcpuState& state, uint32_t index) {
    for (kvm_msr_entry& entry : state.msrs)
        if (entry.index == index) return &entry;
    return nullptr;
}

// Remembers what the guest told last.
class Told final : public VcpuAccesses {
public:
    void port_in(uint16_t /*port*/, std::span<std::byte> /*data*/, unsigned /*width*/) override {}
    void port_out(uint16_t /*port*/, std::span<const std::byte> data, unsigned /*width*/) override {
        last = std::to_integer<int>(data[0]);
    }
    void mmio_read(GuestAddress /*at*/, std::span<std::byte> /*data*/) override {}
    void mmio_write(GuestAddress /*at*/, std::span<const std::byte> /*data*/) override {}
    bool has_ended() const override { return false; }

    int last = 0;
};

// A VM of this host's KVM, with one vCPU that has not run.
class KvmVm {
public:
    KvmVm(const Kvm& kvm, const Cpuid* cpuid) : vm_(kvm.create_vm().value()) {
        const std::array<GuestMemory::Region, 1> regions{{{GuestAddress{0}, ram_.bytes()}}};
        EXPECT_TRUE(vm_.set_memory(regions).ok());
        EXPECT_TRUE(vm_.create_irqchip().ok());
        vcpu_.emplace(Vcpu::create(vm_.create_vcpu(0).value(), kvm.vcpu_mapping_size().value(),
                                   GuestMemory(regions))
                          .value());
        if (cpuid == nullptr) return;
        Cpuid list = cpuid->copy();
        list.set_machine(1, 1, vcpu_->tsc_khz());
        list.set_vcpu(0, 1);
        EXPECT_TRUE(set_cpuid(*vcpu_, list).ok());
        EXPECT_TRUE(set_firmware_state(*vcpu_, LegacyPic::kVirtualWire).ok());
    }

    const Vm& vm() const { return vm_; }
    const Vcpu& vcpu() const { return *vcpu_; }
    Vcpu& vcpu() { return *vcpu_; }
    std::span<std::byte> ram() { return ram_.bytes(); }

    VcpuState save() const {
        VcpuState state = vcpu_state_with_room(vm_.xsave_bytes());
        const auto saved = save_vcpu(*vcpu_, state);
        EXPECT_TRUE(saved.ok()) << text_of(saved.error());
        return state;
    }
    Result<> restore(const VcpuState& state) const {
        return restore_vcpu(*vcpu_, state, restore_point(vm_));
    }

private:
    Mapping ram_ = Mapping::anonymous(kRamBytes).value();  // outlives the VM
    Vm vm_;
    std::optional<Vcpu> vcpu_;
};

class VcpuStateKvm : public testing::Test {
protected:
    void SetUp() override {
        auto kvm = Kvm::open();
        if (!kvm.ok()) GTEST_SKIP() << text_of(kvm.error());
        kvm_.emplace(std::move(kvm).value());
        auto cpuid = kvm_->supported_cpuid();
        ASSERT_TRUE(cpuid.ok());
        cpuid_.emplace(std::move(cpuid).value());
        ASSERT_TRUE(cpuid_->limit({}).ok());
    }

    // As Linux is in the midst of something.
    VcpuState busy_state() const {
        const KvmVm vm(*kvm_, &*cpuid_);
        EXPECT_TRUE(set_entry(vm.vcpu(), {.mode = EntryMode::kLong64,
                                          .entry = GuestAddress{0x1000},
                                          .boot_information = GuestAddress{0x6000},
                                          .page_tables = GuestAddress{0x9000}})
                        .ok());
        VcpuState state = vm.save();
        state.regs.rax = 0x0123456789abcdef;
        state.regs.r15 = 0xfedcba9876543210;
        state.regs.rip = 0x4242;
        state.regs.rflags = 0x246;
        state.debug_registers.db[0] = 0x1234;
        find_msr(state, kKernelGsBase)->data = 0xffff888000000000;
        find_msr(state, kStar)->data = 0x0023001000000000;
        find_msr(state, kPat)->data = 0x0407050600070106;
        // Local vector table: the timer counts to a deadline, Intel SDM vol. 3 §11.5.4.
        constexpr uint32_t kEnabled = 0x1ff;
        constexpr uint32_t kDeadlineMode = 2U << 17 | 0xec;
        std::memcpy(&state.lapic.regs[0xf0], &kEnabled, sizeof(kEnabled));
        std::memcpy(&state.lapic.regs[0x320], &kDeadlineMode, sizeof(kDeadlineMode));
        // Hours ahead, whatever this host's KVM makes of the counter.
        constexpr uint64_t kHours = uint64_t{1} << 45;
        find_msr(state, msr::kTscDeadline)->data = find_msr(state, msr::kTsc)->data + kHours;
        // XMM0 in the legacy area: Intel SDM vol. 1 §10.5.1; XSTATE_BV says that it is there.
        state.xsave[160] = std::byte{0x5a};
        state.xsave[512] |= std::byte{0x3};
        return state;
    }

    std::optional<Kvm> kvm_;
    std::optional<Cpuid> cpuid_;
};

template <typename Structure>
bool same(const Structure& left, const Structure& right) {
    return std::ranges::equal(std::as_bytes(std::span(&left, 1)),
                              std::as_bytes(std::span(&right, 1)));
}

void expect_same(VcpuState& was, VcpuState& is) {
    ASSERT_EQ(is.cpuid.size(), was.cpuid.size());
    for (size_t i = 0; i < was.cpuid.size(); ++i)
        EXPECT_TRUE(same(is.cpuid[i], was.cpuid[i])) << std::hex << was.cpuid[i].function;
    EXPECT_TRUE(same(is.sregs, was.sregs));
    EXPECT_TRUE(same(is.xcrs, was.xcrs));
    EXPECT_EQ(is.xsave, was.xsave);
    EXPECT_TRUE(same(is.regs, was.regs));
    EXPECT_TRUE(same(is.lapic, was.lapic));
    EXPECT_TRUE(same(is.events, was.events));
    EXPECT_TRUE(same(is.debug_registers, was.debug_registers));
    EXPECT_EQ(is.mp_state.mp_state, was.mp_state.mp_state);
    EXPECT_EQ(is.tsc_khz, was.tsc_khz);
    ASSERT_EQ(is.msrs.size(), was.msrs.size());
    for (size_t i = 0; i < was.msrs.size(); ++i) {
        EXPECT_EQ(is.msrs[i].index, was.msrs[i].index);
        if (was.msrs[i].index == msr::kTsc) continue;
        EXPECT_EQ(is.msrs[i].data, was.msrs[i].data) << msr::name(was.msrs[i].index);
    }
}

TEST_F(VcpuStateKvm, IsTheSameInAnotherVm) {
    VcpuState state = busy_state();
    const KvmVm first(*kvm_, nullptr);
    const auto restored = first.restore(state);
    ASSERT_TRUE(restored.ok()) << text_of(restored.error());
    VcpuState was = first.save();
    EXPECT_EQ(was.regs.rax, state.regs.rax);
    EXPECT_EQ(was.xsave, state.xsave);
    EXPECT_EQ(find_msr(was, kKernelGsBase)->data, find_msr(state, kKernelGsBase)->data);
    EXPECT_EQ(find_msr(was, kPat)->data, find_msr(state, kPat)->data);
    EXPECT_EQ(find_msr(was, msr::kTscDeadline)->data, find_msr(state, msr::kTscDeadline)->data);
    const KvmVm second(*kvm_, nullptr);
    ASSERT_TRUE(second.restore(was).ok());
    VcpuState is = second.save();
    expect_same(was, is);
    const KvmVm started(*kvm_, &*cpuid_);
    const auto checked = check_cpuid(is.cpuid, told_cpuid(started.vcpu()).value());
    EXPECT_TRUE(checked.ok()) << text_of(checked.error());
}

TEST_F(VcpuStateKvm, GoesOnWithTheNextInstruction) {
    // Counts in EAX, and tells each number: inc eax; out 0x80, al; jmp to the first.
    constexpr std::array<uint8_t, 5> kProgram{0x40, 0xe6, 0x80, 0xeb, 0xfb};
    constexpr GuestAddress kEntry{0x1000};
    constexpr int kNumbers = 5;
    KvmVm first(*kvm_, &*cpuid_);
    std::memcpy(&first.ram()[kEntry.value], kProgram.data(), kProgram.size());
    ASSERT_TRUE(set_entry(first.vcpu(), {.mode = EntryMode::kProtected32,
                                         .entry = kEntry,
                                         .boot_information = GuestAddress{},
                                         .page_tables = GuestAddress{}})
                    .ok());
    Told told;
    while (told.last < kNumbers) ASSERT_EQ(first.vcpu().run_until_exit(told), RunEnd::kNone);
    first.vcpu().stop();  // the access ends, and nothing comes after it
    ASSERT_EQ(first.vcpu().run_until_exit(told), RunEnd::kStopped);
    const VcpuState state = first.save();
    KvmVm second(*kvm_, nullptr);
    std::ranges::copy(first.ram(), second.ram().begin());
    ASSERT_TRUE(second.restore(state).ok());
    while (told.last == kNumbers) ASSERT_EQ(second.vcpu().run_until_exit(told), RunEnd::kNone);
    EXPECT_EQ(told.last, kNumbers + 1);
}

TEST_F(VcpuStateKvm, ComesInTheRoomThatIsThere) {
    const KvmVm vm(*kvm_, &*cpuid_);
    VcpuState state = vcpu_state_with_room(vm.vm().xsave_bytes());
    const auto* const cpuid = state.cpuid.data();
    const auto* const msrs = state.msrs.data();
    const auto* const xsave = state.xsave.data();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(save_vcpu(vm.vcpu(), state).ok());
        EXPECT_EQ(state.cpuid.data(), cpuid);
        EXPECT_EQ(state.msrs.data(), msrs);
        EXPECT_EQ(state.xsave.data(), xsave);
    }
    for (const uint32_t index : {msr::kTsc, kStar, kPat, kKernelGsBase, kSystemTime})
        EXPECT_NE(find_msr(state, index), nullptr) << std::hex << index;
}

TEST_F(VcpuStateKvm, OfAUser64GuestHasNoCpuid) {
    const KvmVm vm(*kvm_, nullptr);
    const VcpuState state = vm.save();
    EXPECT_TRUE(state.cpuid.empty());
    const auto restored = KvmVm(*kvm_, nullptr).restore(state);
    EXPECT_TRUE(restored.ok()) << text_of(restored.error());
}

TEST_F(VcpuStateKvm, ThatKvmDoesNotTakeIsNamed) {
    const auto refused = [this](const auto& change, std::string_view named) {
        VcpuState state = busy_state();
        change(state);
        const auto restored = KvmVm(*kvm_, nullptr).restore(state);
        ASSERT_FALSE(restored.ok()) << named;
        EXPECT_NE(text_of(restored.error()).find(named), std::string::npos)
            << text_of(restored.error());
    };
    constexpr uint64_t kReserved = 0x3f;
    refused([](VcpuState& it) { find_msr(it, kStealTime)->data = kReserved; },
            "MSR KVM_STEAL_TIME");
    refused([](VcpuState& it) { it.sregs.cr4 = ~uint64_t{0}; }, "KVM_SET_SREGS");
    refused([](VcpuState& it) { it.xcrs.nr_xcrs = UINT32_MAX; }, "KVM_SET_XCRS");
    refused([](VcpuState& it) { it.xsave[519] = std::byte{0xff}; }, "KVM_SET_XSAVE");
    refused([](VcpuState& it) { it.debug_registers.dr6 = ~uint64_t{0}; }, "KVM_SET_DEBUGREGS");
    refused([](VcpuState& it) { it.events.flags = UINT32_MAX; }, "KVM_SET_VCPU_EVENTS");
    refused([](VcpuState& it) { it.mp_state.mp_state = UINT32_MAX; }, "KVM_SET_MP_STATE");
}

// A processor that scales refuses a frequency that is too high; any other, one that is too low.
TEST_F(VcpuStateKvm, HasATimeStampCounterThatThisHostCanGive) {
    VcpuState state = busy_state();
    if (state.tsc_khz == 0) GTEST_SKIP() << "the host does not know its frequency";
    int refusals = 0;
    for (const uint32_t khz : {1U, UINT32_MAX}) {
        state.tsc_khz = khz;
        const auto restored = KvmVm(*kvm_, nullptr).restore(state);
        if (restored.ok()) continue;
        ++refusals;
        EXPECT_NE(text_of(restored.error()).find("KVM_SET_TSC_KHZ"), std::string::npos);
    }
    EXPECT_GT(refusals, 0);
}

TEST_F(VcpuStateKvm, LeavesOutWhatTheHostDoesNotHave) {
    VcpuState state = busy_state();
    std::optional<uint32_t> absent;
    for (const MsrRange& range : msr::kSaved)
        if (find_msr(state, range.first) == nullptr) absent = range.first;
    if (!absent.has_value()) GTEST_SKIP() << "the host has all that there are";
    state.msrs.insert(state.msrs.begin(), {.index = *absent, .data = 0});
    EXPECT_TRUE(KvmVm(*kvm_, nullptr).restore(state).ok());
    state.msrs.front().data = 1;
    const auto restored = KvmVm(*kvm_, nullptr).restore(state);
    ASSERT_FALSE(restored.ok());
    EXPECT_STREQ(restored.error().what, msr::name(*absent));
}

TEST_F(VcpuStateKvm, GoesOnWithItsTimeStampCounter) {
    constexpr uint64_t kDays = uint64_t{1} << 50;
    VcpuState state = busy_state();
    find_msr(state, msr::kTsc)->data = kDays;
    find_msr(state, msr::kTscDeadline)->data = 0;
    const KvmVm vm(*kvm_, nullptr);
    const RestorePoint point = restore_point(vm.vm());
    ASSERT_TRUE(restore_vcpu(vm.vcpu(), state, point).ok());
    uint64_t offset = 0;
    kvm_device_attr attribute{.group = KVM_VCPU_TSC_CTRL,
                              .attr = KVM_VCPU_TSC_OFFSET,
                              // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
                              .addr = reinterpret_cast<uintptr_t>(&offset)};
    if (::ioctl(vm.vcpu().fd(), KVM_GET_DEVICE_ATTR, &attribute) != 0)
        GTEST_SKIP() << "the host's KVM tells no offsets";
    if (offset == 0) GTEST_SKIP() << "the host's KVM gives guests the host's own counter";
    EXPECT_EQ(offset, kDays - point.host_tsc);
}

// KVM looks at none of these: a descriptor that is not its own refuses the first request.
class MalformedVcpuState : public testing::Test {
protected:
    std::string refusal(const VcpuState& state) const {
        const auto restored = restore_vcpu(vcpu_, state, {.xsave_bytes = 8192});
        return restored.ok() ? "" : text_of(restored.error());
    }
    static VcpuState sound_state() {
        VcpuState state = vcpu_state_with_room(4096);
        state.cpuid.resize(1);
        return state;
    }

private:
    static Vcpu no_vcpu() {
        UniqueFd file(::memfd_create("vcpu", MFD_CLOEXEC));
        EXPECT_EQ(::ftruncate(file.get(), layout::kPageSize), 0);
        return Vcpu::create(std::move(file), layout::kPageSize, GuestMemory(std::span<std::byte>()))
            .value();
    }

    Vcpu vcpu_ = no_vcpu();
};

TEST_F(MalformedVcpuState, IsRefusedByTheNameOfItsPart) {
    EXPECT_NE(refusal(sound_state()).find("KVM_SET_CPUID2"), std::string::npos);
    VcpuState state = sound_state();
    state.cpuid.resize(129);
    EXPECT_EQ(refusal(state), "CPUID entries 0x81: are more than 128");
    state = sound_state();
    state.xsave.resize(4095);
    EXPECT_EQ(refusal(state), "XSAVE state's bytes 0xfff: are less than 4096");
    state.xsave.resize(8193);
    EXPECT_EQ(refusal(state), "XSAVE state's bytes 0x2001: are more than this host's KVM takes");
    state = sound_state();
    state.msrs.resize(msr::kMostSaved + 1, {.index = msr::kTsc});
    EXPECT_NE(refusal(state).find("MSRs"), std::string::npos);
    state = sound_state();
    constexpr uint32_t kMcgCap = 0x179;
    state.msrs.push_back({.index = kMcgCap});
    EXPECT_EQ(refusal(state), "MSR 0x179: is not part of a vCPU's state");
}

VcpuState counter_at(uint64_t value, uint32_t khz = 1'000'000) {
    VcpuState state;
    state.msrs.push_back({.index = msr::kTsc, .data = value});
    state.tsc_khz = khz;
    return state;
}

TEST(AlignTimeStamps, OfCountersWithinASecond) {
    constexpr uint64_t kSecond = 1'000'000'000;
    std::array states{counter_at(5 * kSecond),        counter_at(5 * kSecond + 3000),
                      counter_at(5 * kSecond - 3000), counter_at(6 * kSecond),
                      counter_at(4 * kSecond),        VcpuState{}};
    align_time_stamps(states);
    for (const size_t i : {0U, 1U, 2U}) EXPECT_EQ(states.at(i).msrs[0].data, 5 * kSecond) << i;
    EXPECT_EQ(states[3].msrs[0].data, 6 * kSecond);
    EXPECT_EQ(states[4].msrs[0].data, 4 * kSecond);
    EXPECT_TRUE(states[5].msrs.empty());
    align_time_stamps({});
}

}  // namespace
