#include "monitor/machine/machine_state.hpp"

#include <array>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <span>
#include <string>

namespace {

constexpr SnapshotIdentity kIdentity{std::byte{1}, std::byte{2}};

VirtioDeviceState device(bool is_block) {
    VirtioDeviceState state;
    state.transport.status = 15;
    state.transport.queues = {{.layout = {.size = 8, .desc = {0x1000}}, .is_ready = true}};
    state.transport.queues[0].queue = {.position = {5, 3}, .out = {1, 7}};
    if (is_block)
        state.block.emplace().limits.emplace().bandwidth = {.level = 9, .owes = true};
    else
        state.net.emplace();
    return state;
}

MachineState machine() {
    MachineState state;
    state.shape.vcpus = 2;
    state.shape.drives = {{.id = "d", .access = DiskAccess::kReadOnly}};
    state.shape.nics = {{.id = "n", .mac = MacAddress{2, 0, 0, 0, 0, 1}, .mtu = 9000}};
    state.shape.has_keyboard = true;
    state.shape.command_line = "quiet";
    state.lent.drives = {{.path = "/d", .limits = {.ops = {.size = 1, .refill_time_ms = 2}}}};
    state.lent.nics = {{.tap = "tap0"}};
    state.vcpus.resize(2);
    state.vcpus[1].regs.rip = 0x1234;
    state.vcpus[1].msrs = {{.index = 0x10, .data = 77}};
    state.vcpus[1].xsave.resize(4096);
    state.vm.pit.emplace();
    state.stdio.serial.emplace().port.queue = {std::byte{'x'}};
    state.i8042.keys = {1, 2, 3};
    state.cmos.index = 4;
    state.sleep.sleep_type = 5 << 2;
    state.devices = {device(true), device(false)};
    return state;
}

Result<MachineState> read(const std::vector<std::byte>& file) {
    SnapshotReader reader = TRY(SnapshotReader::open(file));
    return decode(reader);
}

// Why the machine's own file is refused.
std::string complaint(const MachineState& state) {
    const auto file = encode(state, kIdentity);
    if (!file.ok()) return "not written";
    const auto state_read = read(file.value());
    if (state_read.ok()) return "none";
    std::array<char, 256> line{};
    format_error(state_read.error(), line);
    return line.data();
}

TEST(MachineState, IsReadAsItWasWritten) {
    const auto file = encode(machine(), kIdentity);
    ASSERT_TRUE(file.ok());
    const auto state = read(file.value());
    ASSERT_TRUE(state.ok()) << state.error().what;
    const MachineState& found = state.value();
    EXPECT_EQ(found.shape.drives[0].id, "d");
    EXPECT_EQ(found.shape.drives[0].access, DiskAccess::kReadOnly);
    EXPECT_EQ(found.shape.nics[0].mtu, 9000);
    EXPECT_EQ(found.shape.command_line, "quiet");
    EXPECT_EQ(found.lent.drives[0].limits.ops.refill_time_ms, 2U);
    EXPECT_EQ(found.lent.nics[0].tap, "tap0");
    EXPECT_EQ(found.vcpus[1].regs.rip, 0x1234U);
    EXPECT_EQ(found.vcpus[1].msrs[0].data, 77U);
    EXPECT_TRUE(found.vm.pit.has_value());
    EXPECT_EQ(found.stdio, machine().stdio);
    EXPECT_EQ(found.i8042, machine().i8042);
    EXPECT_EQ(found.cmos, machine().cmos);
    EXPECT_EQ(found.sleep, machine().sleep);
    EXPECT_EQ(found.devices[0].transport.queues[0].queue,
              machine().devices[0].transport.queues[0].queue);
    EXPECT_EQ(found.devices[0].block->limits, machine().devices[0].block->limits);
    EXPECT_EQ(encode(found, kIdentity).value(), file.value());
}

// What a release of this format wrote of the guest inside the binary: it had written to its disk,
// and had not read what was typed last. The file never changes.
TEST(MachineState, IsReadOfOlderReleases) {
    std::ifstream stream(SNAPSHOTS "/format-1", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const auto bytes = std::as_bytes(std::span(text));
    auto reader = SnapshotReader::open(bytes);
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ(reader.value().header().version, "0.1.0");
    const auto read = decode(reader.value());
    ASSERT_TRUE(read.ok()) << read.error().what;
    const MachineState& state = read.value();
    EXPECT_EQ(state.shape.memory_bytes, 16U << 20);
    EXPECT_EQ(state.shape.command_line, "silent boot-signal disk-write=4 echo exit=9");
    EXPECT_TRUE(state.shape.has_keyboard);
    EXPECT_TRUE(state.gathers_serial_writes);
    ASSERT_EQ(state.lent.drives.size(), 1U);
    EXPECT_EQ(state.lent.drives[0].path, "disk");
    EXPECT_EQ(state.lent.drives[0].limits.ops.size, 100U);
    ASSERT_EQ(state.vcpus.size(), 1U);
    EXPECT_EQ(state.vcpus[0].sregs.cs.dpl, 3);
    EXPECT_NE(state.vcpus[0].regs.rip, 0U);
    EXPECT_EQ(state.vcpus[0].xsave.size(), 4096U);
    EXPECT_FALSE(state.vm.pit.has_value());
    ASSERT_TRUE(state.stdio.serial.has_value());
    EXPECT_EQ(state.stdio.serial->port.queue.size(), 4U);
    ASSERT_EQ(state.devices.size(), 1U);
    const MmioTransportState& disk = state.devices[0].transport;
    EXPECT_EQ(disk.status, 15U);
    ASSERT_EQ(disk.queues.size(), 1U);
    EXPECT_TRUE(disk.queues[0].is_ready);
    EXPECT_EQ(disk.queues[0].queue.position.next_avail, disk.queues[0].queue.position.next_used);
    EXPECT_EQ(disk.queues[0].queue.position.next_used, 4);
    EXPECT_TRUE(state.devices[0].block->limits.has_value());
}

TEST(MachineState, IsThatOfOneMachine) {
    EXPECT_EQ(complaint(machine()), "none");
    MachineState state = machine();
    state.shape.vcpus = 3;
    EXPECT_EQ(complaint(state), "snapshot 0x3: has not the state of each vCPU");
    state = machine();
    state.devices.pop_back();
    EXPECT_EQ(complaint(state), "snapshot 0x2: has not the state of each device");
    state = machine();
    state.lent.drives.clear();
    EXPECT_EQ(complaint(state), "snapshot 0x2: has not the state of each device");
    state = machine();
    state.shape.stdio = StdioKind::kChannel;
    EXPECT_EQ(complaint(state), "snapshot: has the state of another kind of console");
    state = machine();
    state.sleep.sleep_type = 9;
    EXPECT_NE(complaint(state), "none");
    state = machine();
    state.shape.command_line.assign(5000, 'x');
    EXPECT_EQ(complaint(state), "not written");
}

}  // namespace
