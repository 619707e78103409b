#include "monitor/kvm/cpuid_check.hpp"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

using Entries = std::vector<kvm_cpuid_entry2>;

Entries usual() {
    return {
        {.function = 0, .eax = 0xd, .ebx = 1, .ecx = 2, .edx = 3},
        {.function = 1, .ecx = 0xff, .edx = 0xff},
        {.function = 7, .ebx = 0xff},
        {.function = 0xd, .index = 0, .eax = 0x7},
        {.function = 0xd, .index = 2, .eax = 0x100, .ebx = 0x240},
    };
}

kvm_cpuid_entry2& entry_of(Entries& entries, uint32_t leaf, uint32_t subleaf = 0) {
    return *std::ranges::find_if(
        entries, [&](const auto& it) { return it.function == leaf && it.index == subleaf; });
}

std::string refusal(const Entries& saved, const Entries& host) {
    const auto checked = check_cpuid(saved, host);
    if (checked.ok()) return "";
    std::array<char, 512> line{};
    return {line.data(), format_error(checked.error(), line)};
}

TEST(CpuidCheck, TheSameHostAndOneThatHasMoreWillDo) {
    EXPECT_EQ(refusal(usual(), usual()), "");
    Entries host = usual();
    entry_of(host, 7).ebx = 0xffff;
    entry_of(host, 1).ecx = 0xffff;
    host.push_back({.function = 0x80000001, .ecx = 0xffff, .edx = 0xffff});
    EXPECT_EQ(refusal(usual(), host), "");
    EXPECT_EQ(refusal({}, host), "");  // of a guest that was told nothing
}

TEST(CpuidCheck, WhatTheHostLacksIsNamed) {
    Entries host = usual();
    entry_of(host, 7).ebx = 0xdf;
    EXPECT_EQ(refusal(usual(), host),
              "CPUID leaf 7 EBX bits 0x20: are the guest's, and not this host's KVM's");
    host = usual();
    std::erase_if(host, [](const auto& it) { return it.function == 7; });
    EXPECT_NE(refusal(usual(), host).find("7 EBX bits 0xff"), std::string::npos);
    Entries saved = usual();
    saved.push_back({.function = 0x80000001, .edx = 1U << 29});
    EXPECT_NE(refusal(saved, usual()).find("0x80000001 EDX bits 0x20000000"), std::string::npos);
}

TEST(CpuidCheck, WhatAVmHasOnEveryHostIsNotCompared) {
    Entries saved = usual();
    entry_of(saved, 1).ecx |= 1U << 24 | 1U << 27 | 1U << 31;
    entry_of(saved, 1).edx |= 1U << 28;
    EXPECT_EQ(refusal(saved, usual()), "");
}

TEST(CpuidCheck, AnotherVendorWillNotDo) {
    Entries host = usual();
    entry_of(host, 0).edx = 4;
    EXPECT_NE(refusal(usual(), host).find("another vendor"), std::string::npos);
}

TEST(CpuidCheck, StateThatLiesElsewhereWillNotDo) {
    Entries host = usual();
    entry_of(host, 0xd, 2).ebx = 0x300;
    EXPECT_NE(refusal(usual(), host).find("XSAVE state 0x2"), std::string::npos);
}

}  // namespace
