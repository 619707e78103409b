// All that a machine is besides its memory: what a snapshot's state file holds. Plain values; which
// section of the file each is in stands in docs/snapshots.md.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "monitor/console/stdio_state.hpp"
#include "monitor/kvm/vcpu_state.hpp"
#include "monitor/kvm/vm.hpp"
#include "monitor/machine/shape.hpp"
#include "monitor/ports/state.hpp"
#include "monitor/snapshot/stream.hpp"
#include "virtio/device_state.hpp"
#include "virtio/rate_limiter.hpp"

// What the machine was given of its host, by name: a restored one is given the same, unless told
// otherwise. In the order of the shape.
struct LentDrive {
    std::string path;
    RateLimiterConfig limits{};
};

struct LentNic {
    std::string tap;
    RateLimiterConfig receive_limits{};
    RateLimiterConfig transmit_limits{};
};

struct Lent {
    std::vector<LentDrive> drives;
    std::vector<LentNic> nics;
    std::string serial_output_path;
};

struct MachineState {
    MachineShape shape;
    Lent lent;
    bool gathers_serial_writes = false;  // see monitor/kvm/coalesced_output
    bool answers_for_pit = false;        // see late_pit; KVM does where `vm` has one
    VmState vm;
    std::vector<VcpuState> vcpus;
    StdioState stdio;
    I8042State i8042;
    CmosClockState cmos;
    SleepRegistersState sleep;
    std::vector<VirtioDeviceState> devices;  // drives, then NICs
};

// Of the two files that are one snapshot.
using SnapshotIdentity = decltype(SnapshotHeader::identity);

// The state file. Errors: a text or a list is longer than a state file has.
Result<std::vector<std::byte>> encode(const MachineState& state, const SnapshotIdentity& identity);

// Whether `state` is that of a machine of `shape`, as far as its parts do not look themselves.
// Errors: what it has not.
Result<> check(const MachineState& state, const MachineShape& shape);

// Errors: the file is not whole, no snapshot, of another version or architecture; a section is
// missing, unknown, or has what no machine has. Whether this host can be that machine is not looked
// at.
Result<MachineState> decode(SnapshotReader& reader);
