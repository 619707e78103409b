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

// Every bit that KVM offers somewhere, beside bits that a guest keeps.
Cpuid make_rich(const uint32_t (&vendor)[3]) {
    return make_cpuid(vendor,
                      {{.function = 7, .index = 0, .ebx = ~0U, .edx = ~0U},
                       {.function = 7, .index = 1, .eax = ~0U},
                       {.function = 0xa, .eax = 0x08300805, .ebx = 0, .ecx = 0xf, .edx = 0x8604},
                       {.function = 0x14, .index = 0, .eax = 1, .ebx = 0xf, .ecx = 7},
                       {.function = 0x14, .index = 1, .eax = 0x2490002, .ebx = 0x3f3fff},
                       {.function = 0x1c, .eax = 0x4000000b},
                       {.function = 0x23, .eax = 0x3b},
                       {.function = 0x80000001, .ecx = ~0U, .edx = ~0U},
                       {.function = 0x8000000a, .eax = 1, .ebx = 8, .edx = 0xffff},
                       {.function = 0x8000001b, .eax = 0x3ff},
                       {.function = 0x80000022, .eax = 1, .ebx = 6}});
}

bool is_empty(Cpuid& cpuid, uint32_t leaf, uint32_t subleaf = 0) {
    const auto* const entry = cpuid.find(leaf, subleaf);
    return entry == nullptr || (entry->eax | entry->ebx | entry->ecx | entry->edx) == 0;
}

// SDM vol. 2A CPUID, tables 3-8 to 3-11; APM vol. 3 E.3 and E.4.
TEST(Cpuid, WhatNobodyAskedForIsHidden) {
    for (const bool is_intel : {true, false}) {
        Cpuid cpuid = is_intel ? make_rich(kIntel) : make_rich(kAmd);
        *cpuid.find(1) = {.function = 1, .ecx = ~0U, .edx = ~0U};
        ASSERT_TRUE(cpuid.limit({}).ok());
        // ECX: DTES64 2, DS-CPL 4, VMX 5, PDCM 15. EDX: DS 21.
        EXPECT_EQ(cpuid.find(1)->ecx, ~0x8034U);
        EXPECT_EQ(cpuid.find(1)->edx, ~0x200000U);
        // SVM 2, IBS 10, LWP 15, PerfCtrExtCore 23, PerfCtrExtNB 24, PerfTsc 27,
        // PerfCtrExtLLC 28.
        EXPECT_EQ(cpuid.find(0x80000001)->ecx, ~0x19808404U);
        EXPECT_EQ(cpuid.find(0x80000001)->edx, ~0U);
        // EBX: Intel PT 25. EDX: architectural LBRs 19. Subleaf 1, EAX: leaf 0x23 8.
        EXPECT_EQ(cpuid.find(7)->ebx, ~0x2000000U);
        EXPECT_EQ(cpuid.find(7)->edx, ~0x80000U);
        EXPECT_EQ(cpuid.find(7, 1)->eax, ~0x100U);
        for (const uint32_t leaf :
             {0xaU, 0x14U, 0x1cU, 0x23U, 0x8000000aU, 0x8000001bU, 0x80000022U})
            EXPECT_TRUE(is_empty(cpuid, leaf)) << std::hex << leaf;
        EXPECT_TRUE(is_empty(cpuid, 0x14, 1));
    }
}

TEST(Cpuid, WhatIsAskedForStays) {
    Cpuid nested = make_rich(kIntel);
    nested.find(1)->ecx = 1U << 5 | 1U << 15;
    ASSERT_TRUE(nested.limit({.nested = true}).ok());
    EXPECT_EQ(nested.find(1)->ecx, 1U << 5);
    EXPECT_EQ(nested.find(0x80000001)->ecx & 4, 4U);
    EXPECT_FALSE(is_empty(nested, 0x8000000a));
    EXPECT_TRUE(is_empty(nested, 0xa));
    Cpuid counting = make_rich(kIntel);
    counting.find(1)->ecx = 1U << 5 | 1U << 15;
    ASSERT_TRUE(counting.limit({.pmu = true}).ok());
    EXPECT_EQ(counting.find(1)->ecx, 1U << 15);
    EXPECT_EQ(counting.find(0xa)->eax, 0x08300805U);
    EXPECT_EQ(counting.find(7)->ebx, ~0U);
    EXPECT_FALSE(is_empty(counting, 0x80000022));
    EXPECT_TRUE(is_empty(counting, 0x8000000a));
}

TEST(Cpuid, WhatTheHostHasNotIsAnError) {
    for (const CpuExtras& wanted : {CpuExtras{.nested = true}, CpuExtras{.pmu = true}}) {
        Cpuid cpuid = make_cpuid(kIntel, {{.function = 0xa}, {.function = 0x80000001}});
        EXPECT_TRUE(cpuid.copy().limit({}).ok());
        EXPECT_FALSE(cpuid.limit(wanted).ok());
    }
    Cpuid amd = make_cpuid(kAmd, {{.function = 0x80000001, .ecx = 1U << 2 | 1U << 23}});
    EXPECT_TRUE(amd.limit({.nested = true, .pmu = true}).ok());
}

TEST(Cpuid, AFullListIsLeftAsItIs) {
    Cpuid cpuid = make_cpuid(kIntel);
    cpuid.list().header.nent = KvmCpuid::kMaxEntries;
    cpuid.set_machine(2, 1, 1000);
    EXPECT_EQ(cpuid.list().header.nent, KvmCpuid::kMaxEntries);
}

}  // namespace
