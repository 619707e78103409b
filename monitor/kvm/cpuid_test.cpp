#include "monitor/kvm/cpuid.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <vector>

#include "monitor/kvm/ioctl.hpp"

namespace {

constexpr uint32_t kIntel[] = {0x756e6547, 0x6c65746e, 0x49656e69};  // EBX ECX EDX
constexpr uint32_t kAmd[] = {0x68747541, 0x444d4163, 0x69746e65};

Cpuid make_cpuid(const uint32_t (&vendor)[3], const std::vector<kvm_cpuid_entry2>& more = {}) {
    auto list = std::make_unique<KvmCpuid>();
    std::vector<kvm_cpuid_entry2> entries = {
        {.function = 0, .eax = 0xa, .ebx = vendor[0], .ecx = vendor[1], .edx = vendor[2]},
        {.function = 1, .ebx = 0xff00ff00},
        {.function = 0x40000000, .eax = 0x40000001},
    };
    entries.insert(entries.end(), more.begin(), more.end());
    std::copy(entries.begin(), entries.end(), list->entries.begin());
    list->header.nent = static_cast<uint32_t>(entries.size());
    return Cpuid{std::move(list)};
}

TEST(Cpuid, SaysHypervisorAndDeadlineTimer) {
    Cpuid cpuid = make_cpuid(kIntel);
    cpuid.set_machine(1, 1, 0);
    EXPECT_NE(cpuid.find(1)->ecx & (1U << 31), 0U);
    EXPECT_NE(cpuid.find(1)->ecx & (1U << 24), 0U);
}

TEST(Cpuid, KeepsTheVendor) {
    Cpuid cpuid = make_cpuid(kAmd);
    cpuid.set_machine(4, 1, 2'000'000);
    EXPECT_EQ(cpuid.find(0)->ebx, kAmd[0]);
    EXPECT_EQ(cpuid.find(0)->ecx, kAmd[1]);
    EXPECT_EQ(cpuid.find(0)->edx, kAmd[2]);
}

TEST(Cpuid, OneVcpuHasNoHyperThreading) {
    Cpuid cpuid = make_cpuid(kIntel);
    cpuid.find(1)->edx = 1U << 28;
    cpuid.set_machine(1, 1, 0);
    EXPECT_EQ(cpuid.find(1)->edx & (1U << 28), 0U);
    EXPECT_EQ(cpuid.find(1)->ebx >> 16 & 0xff, 1U);
}

TEST(Cpuid, ExtendedTopologyCountsCores) {
    for (const auto& [vcpus, id_bits] : {std::pair{1U, 0U}, {2U, 1U}, {3U, 2U}, {32U, 5U}}) {
        Cpuid cpuid = make_cpuid(kIntel);
        cpuid.set_machine(vcpus, 1, 0);
        cpuid.set_vcpu(vcpus - 1, 1);
        ASSERT_NE(cpuid.find(0xb, 1), nullptr);
        EXPECT_GE(cpuid.find(0)->eax, 0xbU);
        EXPECT_EQ(cpuid.find(0xb, 0)->ebx, 1U);
        EXPECT_EQ(cpuid.find(0xb, 1)->eax, id_bits);
        EXPECT_EQ(cpuid.find(0xb, 1)->ebx, vcpus);
        EXPECT_EQ(cpuid.find(0xb, 1)->edx, vcpus - 1);
        EXPECT_EQ(cpuid.find(1)->ebx >> 24, vcpus - 1);
        EXPECT_EQ(cpuid.find(1)->ebx >> 16 & 0xff, 1U << id_bits);
        EXPECT_EQ(cpuid.find(1)->ebx & 0xffff, 0xff00U);
    }
}

TEST(Cpuid, AmdTopologyLeaves) {
    Cpuid cpuid = make_cpuid(kAmd, {{.function = 0x80000001},
                                    {.function = 0x80000008, .ecx = 0x700f},
                                    {.function = 0x8000001e, .eax = 99, .ebx = 0x101, .ecx = 7}});
    cpuid.set_machine(6, 1, 0);
    cpuid.set_vcpu(5, 1);
    EXPECT_EQ(cpuid.find(0x80000001)->ecx & 2, 2U);
    EXPECT_EQ(cpuid.find(0x80000008)->ecx & 0xff, 5U);
    EXPECT_EQ(cpuid.find(0x80000008)->ecx >> 12 & 0xf, 3U);
    EXPECT_EQ(cpuid.find(0x8000001e)->eax, 5U);
    EXPECT_EQ(cpuid.find(0x8000001e)->ebx, 5U);
    EXPECT_EQ(cpuid.find(0x8000001e)->ecx, 0U);
}

TEST(Cpuid, CachesOfACoreAreNotSharedAndTheLastLevelIs) {
    const auto cache = [](uint32_t index, uint32_t level) {
        return kvm_cpuid_entry2{.function = 4, .index = index, .eax = level << 5 | 0xffffc001};
    };
    Cpuid cpuid = make_cpuid(kIntel, {cache(0, 1), cache(3, 3)});
    cpuid.set_machine(4, 1, 0);
    EXPECT_EQ(cpuid.find(4, 0)->eax >> 14 & 0xfff, 0U);
    EXPECT_EQ(cpuid.find(4, 3)->eax >> 14 & 0xfff, 3U);
    EXPECT_EQ(cpuid.find(4, 3)->eax >> 26, 3U);
}

TEST(Cpuid, TwoThreadsOfACoreShareItsCaches) {
    Cpuid intel = make_cpuid(kIntel, {
                                         {.function = 4, .index = 0, .eax = 1 << 5},
                                         {.function = 4, .index = 3, .eax = 3 << 5},
                                     });
    intel.set_machine(4, 2, 0);
    intel.set_vcpu(3, 2);
    EXPECT_EQ(intel.find(0xb, 0)->eax, 1U);  // one bit of the APIC id tells threads apart
    EXPECT_EQ(intel.find(0xb, 0)->ebx, 2U);
    EXPECT_EQ(intel.find(0xb, 1)->eax, 2U);
    EXPECT_EQ(intel.find(0xb, 1)->ebx, 4U);
    EXPECT_EQ(intel.find(4, 0)->eax >> 14 & 0xfff, 1U);  // two threads on a first-level cache
    EXPECT_EQ(intel.find(4, 3)->eax >> 14 & 0xfff, 3U);
    EXPECT_EQ(intel.find(4, 3)->eax >> 26, 1U);  // two cores
}

// As of a host whose KVM has no TOPOEXT.
TEST(Cpuid, AmdThreadsAreToldOnAnyHost) {
    for (const uint32_t threads : {1U, 2U}) {
        Cpuid amd = make_cpuid(
            kAmd, {{.function = 0x80000000, .eax = 0x8000000a}, {.function = 0x80000001}});
        amd.set_machine(4, threads, 0);
        amd.set_vcpu(3, threads);
        EXPECT_EQ(amd.find(0x80000000)->eax, threads == 2 ? 0x8000001eU : 0x8000000aU);
        EXPECT_EQ(amd.find(0x80000001)->ecx >> 22 & 1, threads - 1);
        ASSERT_EQ(amd.find(0x8000001e) != nullptr, threads == 2);
        if (threads == 1) continue;
        EXPECT_EQ(amd.find(0x8000001e)->eax, 3U);
        EXPECT_EQ(amd.find(0x8000001e)->ebx, 0x101U);  // core 1, of two threads
    }
}

TEST(Cpuid, TellsTheTscFrequency) {
    Cpuid cpuid = make_cpuid(kIntel);
    cpuid.set_machine(1, 1, 2'445'406);
    EXPECT_EQ(cpuid.find(0x40000000)->eax, 0x40000010U);
    EXPECT_EQ(cpuid.find(0x40000010)->eax, 2'445'406U);
    // Crystal Hz * EBX / EAX is the TSC's frequency in Hz.
    const auto& crystal = *cpuid.find(0x15);
    EXPECT_EQ(uint64_t{crystal.ecx} * crystal.ebx / crystal.eax, 2'445'406'000U);
}

TEST(Cpuid, WithoutAFrequencyItClaimsNone) {
    Cpuid cpuid = make_cpuid(kIntel);
    cpuid.set_machine(1, 1, 0);
    EXPECT_EQ(cpuid.find(0x40000010), nullptr);
    EXPECT_EQ(cpuid.find(0x15), nullptr);
}

TEST(Cpuid, AFullListIsLeftAsItIs) {
    Cpuid cpuid = make_cpuid(kIntel);
    cpuid.list().header.nent = KvmCpuid::kMaxEntries;
    cpuid.set_machine(2, 1, 1000);
    EXPECT_EQ(cpuid.list().header.nent, KvmCpuid::kMaxEntries);
}

}  // namespace
