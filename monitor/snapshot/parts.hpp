// Which fields each part of a machine has in a state file, in the file's order (archive.hpp has the
// rules; docs/snapshots.md the meaning). One that is added goes to the end of its structure, and
// what it has in older files is what the structure is constructed with.
#pragma once

#include "monitor/console/stdio_state.hpp"
#include "monitor/kvm/vcpu_state.hpp"
#include "monitor/kvm/vm.hpp"
#include "monitor/ports/state.hpp"
#include "monitor/snapshot/archive.hpp"
#include "virtio/device_state.hpp"
#include "virtio/spec.hpp"

// --- KVM ----------------------------------------------------------------------------------------

template <typename Archive>
void describe(Archive& archive, VmState& vm) {
    archive.raw(vm.pic_master);
    archive.raw(vm.pic_slave);
    archive.raw(vm.ioapic);
    archive.raw(vm.pit);
    archive.raw(vm.clock);
}

template <typename Archive>
void describe(Archive& archive, VcpuState& vcpu) {
    constexpr uint32_t kMostCpuidEntries = 256;
    constexpr uint32_t kMostXsaveBytes = 64 << 10;
    constexpr uint32_t kMostMsrs = 1024;
    archive.raw(vcpu.cpuid, kMostCpuidEntries);
    archive.raw(vcpu.sregs);
    archive.raw(vcpu.xcrs);
    archive.bounded(vcpu.xsave, kMostXsaveBytes);
    archive.raw(vcpu.regs);
    archive.raw(vcpu.lapic);
    archive.raw(vcpu.msrs, kMostMsrs);
    archive.raw(vcpu.events);
    archive.raw(vcpu.debug_registers);
    archive.raw(vcpu.mp_state);
    archive(vcpu.tsc_khz);
}

// --- Ports --------------------------------------------------------------------------------------

template <typename Archive>
void describe(Archive& archive, SerialState& serial) {
    archive(serial.interrupt_enable, serial.line_control, serial.modem_control, serial.scratch,
            serial.modem_status_changes, serial.divisor, serial.fifo_enabled, serial.trigger_bytes,
            serial.overrun, serial.transmitter_emptied);
    archive.bounded(serial.loopback, SerialState::kFifoBytes);
    archive.bounded(serial.queue, SerialState::kQueueBytes);
    archive(serial.arrived);
}

template <typename Archive>
void describe(Archive& archive, I8042State& i8042) {
    archive(i8042.configuration);
    archive.bounded(i8042.answer, I8042State::kMostAnswerBytes);
    archive.bounded(i8042.keys, I8042State::kMostKeyBytes);
    archive(i8042.output, i8042.awaiting_parameter);
}

template <typename Archive>
void describe(Archive& archive, CmosClockState& cmos) {
    archive(cmos.index, cmos.shown_time);
}

template <typename Archive>
void describe(Archive& archive, SleepRegistersState& sleep) {
    archive(sleep.sleep_type);
}

// --- Console ------------------------------------------------------------------------------------

template <typename Archive>
void describe(Archive& archive, SerialConsoleState& console) {
    archive(console.port);
    archive.bounded(console.input, SerialConsoleState::kMostInputBytes);
}

constexpr InputEnd last_value(InputEnd /*type*/) {
    return InputEnd::kSaid;
}

template <typename Archive>
void describe(Archive& archive, ChannelState::Output& output) {
    archive(output.owed, output.is_said_gone);
}

template <typename Archive>
void describe(Archive& archive, ChannelState& channel) {
    archive(channel.version, channel.output, channel.errors, channel.input_credit);
    archive.bounded(channel.input, ChannelState::kMostInputBytes);
    archive(channel.input_end, channel.signals, channel.window, channel.has_rung);
}

template <typename Archive>
void describe(Archive& archive, ChannelStdioState& stdio) {
    archive(stdio.console, stdio.bell, stdio.channel);
}

template <typename Archive>
void describe(Archive& archive, StdioState& stdio) {
    archive(stdio.serial, stdio.channel);
}

// --- Virtio devices -----------------------------------------------------------------------------

template <typename Archive>
void describe(Archive& archive, GuestAddress& address) {
    archive(address.value);
}

template <typename Archive>
void describe(Archive& archive, VirtqueueLayout& layout) {
    archive(layout.size, layout.desc, layout.driver, layout.device);
}

template <typename Archive>
void describe(Archive& archive, VirtqueueState& queue) {
    archive(queue.position.next_avail, queue.position.next_used);
    archive.bounded(queue.out, VIRTQ_MAX_SIZE);
}

template <typename Archive>
void describe(Archive& archive, MmioQueueState& queue) {
    archive(queue.layout, queue.is_ready, queue.queue);
}

template <typename Archive>
void describe(Archive& archive, MmioTransportState& transport) {
    constexpr uint32_t kMostConfigBytes = 256;
    constexpr uint32_t kMostQueues = 64;
    archive(transport.status, transport.device_features_sel, transport.driver_features_sel,
            transport.queue_sel, transport.offered_features, transport.driver_features,
            transport.interrupt_status, transport.config_generation);
    archive.bounded(transport.config, kMostConfigBytes);
    archive.bounded(transport.queues, kMostQueues);
}

template <typename Archive>
void describe(Archive& archive, TokenBucketConfig& bucket) {
    archive(bucket.size, bucket.one_time_burst, bucket.refill_time_ms);
}

template <typename Archive>
void describe(Archive& archive, RateLimiterConfig& limits) {
    archive(limits.bandwidth, limits.ops);
}

template <typename Archive>
void describe(Archive& archive, TokenBucketState& bucket) {
    archive(bucket.level, bucket.owes, bucket.fraction, bucket.burst);
}

template <typename Archive>
void describe(Archive& archive, RateLimiterState& limiter) {
    archive(limiter.config, limiter.bandwidth, limiter.ops);
}

template <typename Archive>
void describe(Archive& archive, BlockState& block) {
    archive(block.limits);
}

template <typename Archive>
void describe(Archive& archive, NetState& net) {
    archive(net.receive_limits, net.transmit_limits);
}

template <typename Archive>
void describe(Archive& archive, VirtioDeviceState& device) {
    archive(device.transport, device.block, device.net);
}
