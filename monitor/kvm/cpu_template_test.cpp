#include "monitor/kvm/cpu_template.hpp"

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <vector>

#include "monitor/kvm/ioctl.hpp"

namespace {

constexpr uint32_t kAll = 0xffffffff;
constexpr uint32_t kGenuineIntel = 0x756e6547;

// A processor that has everything, also what is not known yet.
Cpuid rich_cpuid(uint32_t vendor = kGenuineIntel) {
    auto list = std::make_unique<KvmCpuid>();
    std::vector<kvm_cpuid_entry2> entries = {{.function = 0, .eax = 0x24, .ebx = vendor}};
    for (const uint32_t leaf : {1U, 2U, 4U, 5U, 6U, 7U, 0xaU, 0xdU, 0x12U, 0x14U, 0x1dU, 0x24U,
                                0x40000000U, 0x80000001U, 0x80000002U, 0x80000008U})
        entries.push_back({.function = leaf, .eax = kAll, .ebx = kAll, .ecx = kAll, .edx = kAll});
    for (const uint32_t subleaf : {1U, 2U})
        entries.push_back({.function = 7, .index = subleaf, .eax = kAll, .edx = kAll});
    for (const uint32_t subleaf : {1U, 2U, 5U, 9U, 18U, 63U})
        entries.push_back(
            {.function = 0xd, .index = subleaf, .eax = kAll, .ebx = kAll, .ecx = kAll});
    std::copy(entries.begin(), entries.end(), list->entries.begin());
    list->header.nent = static_cast<uint32_t>(entries.size());
    return Cpuid{std::move(list)};
}

std::array<uint32_t, 4> registers(Cpuid& cpuid, uint32_t leaf, uint32_t subleaf = 0) {
    const auto* const entry = cpuid.find(leaf, subleaf);
    return {entry->eax, entry->ebx, entry->ecx, entry->edx};
}

constexpr std::array<uint32_t, 4> kNothing{};

TEST(CpuTemplate, NoneLeavesAllAsItIs) {
    Cpuid cpuid = rich_cpuid();
    ASSERT_TRUE(cut_down(cpuid, CpuTemplate::kNone).ok());
    EXPECT_EQ(registers(cpuid, 7), (std::array{kAll, kAll, kAll, kAll}));
}

TEST(CpuTemplate, T2HasAvx2AndNothingLater) {
    Cpuid cpuid = rich_cpuid();
    ASSERT_TRUE(cut_down(cpuid, CpuTemplate::kT2).ok());
    EXPECT_EQ(cpuid.find(1)->eax, 0x306f2U);
    constexpr uint32_t kAvx2 = 1U << 5;
    constexpr uint32_t kAvx512 = 1U << 16;
    EXPECT_EQ(cpuid.find(7)->ebx & (kAvx2 | kAvx512), kAvx2);
    EXPECT_EQ(cpuid.find(7)->ebx >> 21, 0U);  // AVX-512, CLFLUSHOPT, CLWB, PT, SHA
    EXPECT_EQ(cpuid.find(7)->ecx, 0U);
    constexpr uint32_t kAmx = 1U << 22 | 1U << 24 | 1U << 25;
    EXPECT_EQ(cpuid.find(7)->edx & kAmx, 0U);
    constexpr uint32_t kFma = 1U << 12;
    constexpr uint32_t kMonitor = 1U << 3;
    constexpr uint32_t kVmx = 1U << 5;
    EXPECT_EQ(cpuid.find(1)->ecx & (kFma | kMonitor | kVmx), kFma);
    constexpr uint32_t kLargestPages = 1U << 26;
    EXPECT_EQ(cpuid.find(0x80000001)->edx & kLargestPages, 0U);
}

TEST(CpuTemplate, T2SavesTheStatesThatItHas) {
    Cpuid cpuid = rich_cpuid();
    ASSERT_TRUE(cut_down(cpuid, CpuTemplate::kT2).ok());
    EXPECT_EQ(registers(cpuid, 0xd), (std::array{7U, 832U, 832U, 0U}));
    EXPECT_EQ(registers(cpuid, 0xd, 1), (std::array{1U, 0U, 0U, 0U}));
    EXPECT_NE(registers(cpuid, 0xd, 2), kNothing);  // AVX's
    for (const uint32_t state : {5U, 9U, 18U, 63U})
        EXPECT_EQ(registers(cpuid, 0xd, state), kNothing) << state;
}

TEST(CpuTemplate, T2HasNoLeafThatTellsOfMore) {
    Cpuid cpuid = rich_cpuid();
    ASSERT_TRUE(cut_down(cpuid, CpuTemplate::kT2).ok());
    EXPECT_EQ(cpuid.find(0)->eax, 0xdU);
    for (const uint32_t leaf : {5U, 0xaU, 0x12U, 0x14U, 0x1dU, 0x24U})
        EXPECT_EQ(registers(cpuid, leaf), kNothing) << leaf;
    for (const uint32_t subleaf : {1U, 2U})
        EXPECT_EQ(registers(cpuid, 7, subleaf), kNothing) << subleaf;
    EXPECT_NE(registers(cpuid, 4), kNothing);           // caches
    EXPECT_NE(registers(cpuid, 0x40000000), kNothing);  // KVM
    EXPECT_NE(registers(cpuid, 0x80000002), kNothing);  // the name
}

TEST(CpuTemplate, T2IsRefusedWhereTheHostIsAnotherOrHasLess) {
    Cpuid of_another = rich_cpuid(0x68747541);
    EXPECT_STREQ(cut_down(of_another, CpuTemplate::kT2).error().hint,
                 "is for hosts with Intel processors; leave it out");
    Cpuid older = rich_cpuid();
    older.find(7)->ebx &= ~(1U << 5);
    const auto refused = cut_down(older, CpuTemplate::kT2);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().value, 7U);
    EXPECT_EQ(registers(older, 1), (std::array{kAll, kAll, kAll, kAll}));  // it is as it was
}

}  // namespace
