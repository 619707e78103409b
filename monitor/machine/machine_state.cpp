#include "monitor/machine/machine_state.hpp"

#include "monitor/memory/layout.hpp"
#include "monitor/ports/cmos_clock.hpp"
#include "monitor/ports/control.hpp"
#include "monitor/ports/i8042.hpp"
#include "monitor/snapshot/parts.hpp"

namespace {

constexpr SectionTag kMachine("MACH");
constexpr SectionTag kLent("LENT");
constexpr SectionTag kVm("KVM ");
constexpr SectionTag kVcpu("VCPU");
constexpr SectionTag kStdio("STDI");
constexpr SectionTag kPorts("PORT");
constexpr SectionTag kDevice("VIRT");

constexpr uint32_t kMostTextBytes = 4096;  // of paths and of the command line

// What is in a section of its own, but no struct of its own.
struct MachineSection {
    MachineShape shape;
    bool gathers_serial_writes = false;
    bool answers_for_pit = false;
};

struct PortsSection {
    I8042State i8042;
    CmosClockState cmos;
    SleepRegistersState sleep;
};

template <typename Archive>
void describe(Archive& archive, PortsSection& ports) {
    archive(ports.i8042, ports.cmos, ports.sleep);
}

}  // namespace

constexpr DiskAccess last_value(DiskAccess /*type*/) {
    return DiskAccess::kReadOnly;
}
constexpr DiskCache last_value(DiskCache /*type*/) {
    return DiskCache::kUnsafe;
}
constexpr CpuTemplate last_value(CpuTemplate /*type*/) {
    return CpuTemplate::kT2;
}
constexpr StdioKind last_value(StdioKind /*type*/) {
    return StdioKind::kChannel;
}

template <typename Archive>
void describe(Archive& archive, CpuExtras& extras) {
    archive(extras.nested, extras.pmu);
}

template <typename Archive>
void describe(Archive& archive, DriveShape& drive) {
    archive.bounded(drive.id, kMostTextBytes);
    archive(drive.access, drive.cache, drive.is_root);
    archive.bounded(drive.partuuid, kMostTextBytes);
}

template <typename Archive>
void describe(Archive& archive, NicShape& nic) {
    archive.bounded(nic.id, kMostTextBytes);
    archive(nic.mac, nic.mtu);
}

template <typename Archive>
void describe(Archive& archive, MachineShape& shape) {
    archive(shape.memory_bytes, shape.vcpus, shape.threads_per_core, shape.extras,
            shape.cpu_template);
    archive.bounded(shape.drives, layout::kMaxVirtioDevices);
    archive.bounded(shape.nics, layout::kMaxVirtioDevices);
    archive(shape.stdio, shape.has_keyboard);
    archive.bounded(shape.command_line, kMostTextBytes);
    archive.bounded(shape.network_word, kMostTextBytes);
}

template <typename Archive>
void describe(Archive& archive, LentDrive& drive) {
    archive.bounded(drive.path, kMostTextBytes);
    archive(drive.limits);
}

template <typename Archive>
void describe(Archive& archive, LentNic& nic) {
    archive.bounded(nic.tap, kMostTextBytes);
    archive(nic.receive_limits, nic.transmit_limits);
}

template <typename Archive>
void describe(Archive& archive, Lent& lent) {
    archive.bounded(lent.drives, layout::kMaxVirtioDevices);
    archive.bounded(lent.nics, layout::kMaxVirtioDevices);
    archive.bounded(lent.serial_output_path, kMostTextBytes);
}

namespace {

template <typename Archive>
void describe(Archive& archive, MachineSection& machine) {
    archive(machine.shape, machine.gathers_serial_writes, machine.answers_for_pit);
}

}  // namespace

Result<> check(const MachineState& state, const MachineShape& shape) {
    if (state.vcpus.size() != shape.vcpus)
        return Error{"snapshot", 0, "has not the state of each vCPU", shape.vcpus};
    if (state.devices.size() != shape.device_count() ||
        state.lent.drives.size() != shape.drives.size() ||
        state.lent.nics.size() != shape.nics.size())
        return Error{"snapshot", 0, "has not the state of each device", shape.device_count()};
    const bool has_serial = shape.stdio == StdioKind::kSerial;
    if (state.stdio.serial.has_value() != has_serial ||
        state.stdio.channel.has_value() == has_serial)
        return Error{"snapshot", 0, "has the state of another kind of console"};
    TRY(I8042::check(state.i8042, shape.has_keyboard));
    TRY(CmosClock::check(state.cmos));
    return SleepRegisters::check(state.sleep);
}

Result<std::vector<std::byte>> encode(const MachineState& state, const SnapshotIdentity& identity) {
    SnapshotWriter writer({.identity = identity, .memory_bytes = state.shape.memory_bytes});
    writer.add(kMachine, MachineSection{.shape = state.shape,
                                        .gathers_serial_writes = state.gathers_serial_writes,
                                        .answers_for_pit = state.answers_for_pit});
    writer.add(kLent, state.lent);
    writer.add(kVm, state.vm);
    for (size_t i = 0; i < state.vcpus.size(); ++i)
        writer.add(kVcpu, state.vcpus[i], static_cast<uint16_t>(i));
    writer.add(kStdio, state.stdio);
    writer.add(kPorts, PortsSection{state.i8042, state.cmos, state.sleep});
    for (size_t i = 0; i < state.devices.size(); ++i)
        writer.add(kDevice, state.devices[i], static_cast<uint16_t>(i));
    return std::move(writer).finish();
}

Result<MachineState> decode(SnapshotReader& reader) {
    MachineState state;
    auto machine = TRY(reader.read<MachineSection>(kMachine));
    state.shape = std::move(machine.shape);
    state.gathers_serial_writes = machine.gathers_serial_writes;
    state.answers_for_pit = machine.answers_for_pit;
    state.lent = TRY(reader.read<Lent>(kLent));
    state.vm = TRY(reader.read<VmState>(kVm));
    // As many as there are: that they are as many as they should be is looked at then.
    for (size_t i = 0; i < reader.count(kVcpu); ++i)
        state.vcpus.push_back(TRY(reader.read<VcpuState>(kVcpu, static_cast<uint16_t>(i))));
    state.stdio = TRY(reader.read<StdioState>(kStdio));
    auto ports = TRY(reader.read<PortsSection>(kPorts));
    state.i8042 = std::move(ports.i8042);
    state.cmos = ports.cmos;
    state.sleep = ports.sleep;
    for (size_t i = 0; i < reader.count(kDevice); ++i)
        state.devices.push_back(
            TRY(reader.read<VirtioDeviceState>(kDevice, static_cast<uint16_t>(i))));
    TRY(reader.expect_all_read());
    TRY(check(state, state.shape));
    if (state.shape.memory_bytes != reader.header().memory_bytes)
        return Error{"snapshot", 0, "says two sizes of its memory", state.shape.memory_bytes};
    return state;
}
