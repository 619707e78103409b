#include "monitor/kvm/cpu_state.hpp"

#include <array>
#include <gtest/gtest.h>
#include <vector>

#include "monitor/kvm/ioctl.hpp"
#include "monitor/memory/layout.hpp"

namespace {

constexpr GuestAddress kEntry{0x1000200};

EntryState state_for(EntryMode mode) {
    return {.mode = mode,
            .entry = kEntry,
            .boot_information = GuestAddress{0x6000},
            .page_tables = GuestAddress{0x9000}};
}

kvm_sregs segments_for(EntryMode mode) {
    kvm_sregs segments{};
    segments.apic_base = 0xfee00900;
    set_entry_segments(state_for(mode), segments);
    return segments;
}

// Xen's PVH boot ABI: 32-bit protected mode, flat segments, paging off, EBX = start_info.
TEST(CpuState, PvhEntersProtectedModeWithoutPaging) {
    const kvm_sregs segments = segments_for(EntryMode::kProtected32);
    EXPECT_EQ(segments.cr0, 0x11U);
    EXPECT_EQ(segments.efer, 0U);
    EXPECT_EQ(segments.cs.db, 1);
    EXPECT_EQ(segments.cs.l, 0);
    EXPECT_EQ(segments.cs.limit, 0xffffffffU);
    EXPECT_EQ(segments.tr.type, 0xb);
    const kvm_regs registers = entry_registers(state_for(EntryMode::kProtected32), 0);
    EXPECT_EQ(registers.rip, kEntry.value);
    EXPECT_EQ(registers.rbx, 0x6000U);
    EXPECT_EQ(registers.rflags, 2U);
}

// Linux x86 boot protocol, 64-bit: long mode, __BOOT_CS 0x10, __BOOT_DS 0x18, RSI = zero page.
TEST(CpuState, LinuxEntersLongMode) {
    const kvm_sregs segments = segments_for(EntryMode::kLong64);
    EXPECT_EQ(segments.cr0, 0x80000011U);
    EXPECT_EQ(segments.cr3, 0x9000U);
    EXPECT_EQ(segments.cr4, 0x20U);
    EXPECT_EQ(segments.efer, 0x500U);
    EXPECT_EQ(segments.cs.selector, 0x10);
    EXPECT_EQ(segments.ds.selector, 0x18);
    EXPECT_EQ(segments.cs.l, 1);
    EXPECT_EQ(segments.cs.db, 0);
    EXPECT_EQ(segments.cs.dpl, 0);
    EXPECT_EQ(entry_registers(state_for(EntryMode::kLong64), 0).rsi, 0x6000U);
}

TEST(CpuState, User64EntersAtPrivilegeLevel3WithIo) {
    const kvm_sregs segments = segments_for(EntryMode::kUser64);
    EXPECT_EQ(segments.cr0, 0x80050033U);
    EXPECT_EQ(segments.efer, 0xd01U);
    EXPECT_EQ(segments.cs.dpl, 3);
    EXPECT_EQ(segments.ss.dpl, 3);
    EXPECT_EQ(segments.cs.selector & 3, 3);
    EXPECT_EQ(segments.tr.dpl, 0);
    const kvm_regs registers = entry_registers(state_for(EntryMode::kUser64), 2'445'000);
    EXPECT_EQ(registers.rflags, 0x3002U);
    EXPECT_EQ(registers.rdi, 0x6000U);
    EXPECT_EQ(registers.rsi, 2'445'000U);
    EXPECT_EQ(registers.rsp, layout::kBootStackTop.value);
}

TEST(CpuState, LeavesTheRestOfTheResetStateAlone) {
    EXPECT_EQ(segments_for(EntryMode::kLong64).apic_base, 0xfee00900U);
}

// A guest that reloads a segment register must find in the GDT what it was entered with.
TEST(CpuState, DescriptorTableAgreesWithTheSegments) {
    std::vector<std::byte> ram(64 << 10);
    const GuestMemory memory{ram};
    ASSERT_TRUE(write_descriptor_tables(memory, EntryMode::kLong64).ok());
    using Gdt = std::array<uint64_t, 6>;
    Gdt gdt = memory.read<Gdt>(layout::kGdt).value();
    EXPECT_EQ(gdt[0], 0U);
    EXPECT_EQ(gdt[2], 0x00af9b000000ffffU);  // 64-bit code
    EXPECT_EQ(gdt[3], 0x00cf93000000ffffU);  // flat data
    ASSERT_TRUE(write_descriptor_tables(memory, EntryMode::kProtected32).ok());
    gdt = memory.read<Gdt>(layout::kGdt).value();
    EXPECT_EQ(gdt[2], 0x00cf9b000000ffffU);  // flat 32-bit code
    EXPECT_EQ(gdt[4], 0x00008b0000000067U);  // busy TSS
    ASSERT_TRUE(write_descriptor_tables(memory, EntryMode::kUser64).ok());
    gdt = memory.read<Gdt>(layout::kGdt).value();
    EXPECT_EQ(gdt[2], 0x00affb000000ffffU);
    EXPECT_EQ(gdt[3], 0x00cff3000000ffffU);
}

}  // namespace
