#include "monitor/machine.hpp"

#include <algorithm>
#include <array>

#include "base/log.hpp"
#include "monitor/boot/layout.hpp"
#include "monitor/guest_boot.hpp"
#include "monitor/kvm/cpu_state.hpp"
#include "monitor/sandbox.hpp"
#include "monitor/signals.hpp"

namespace {

// Thread names live as long as the program.
constexpr std::array<const char*, Config::kMaxVcpus> kVcpuNames = {
    "vcpu0",  "vcpu1",  "vcpu2",  "vcpu3",  "vcpu4",  "vcpu5",  "vcpu6",  "vcpu7",
    "vcpu8",  "vcpu9",  "vcpu10", "vcpu11", "vcpu12", "vcpu13", "vcpu14", "vcpu15",
    "vcpu16", "vcpu17", "vcpu18", "vcpu19", "vcpu20", "vcpu21", "vcpu22", "vcpu23",
    "vcpu24", "vcpu25", "vcpu26", "vcpu27", "vcpu28", "vcpu29", "vcpu30", "vcpu31",
};

}  // namespace

Result<std::unique_ptr<Machine>> Machine::create(const Config& config, EscapeKeys keys,
                                                 Timeline& timeline) {
    const Kvm kvm = TRY(Kvm::open());
    Vm vm{TRY(kvm.create_vm())};
    timeline.mark(Stage::kKvm);

    GuestRam ram = TRY(GuestRam::create(config.memory_bytes));
    TRY(vm.set_memory(ram.regions()));
    timeline.mark(Stage::kMemory);

    auto loop = TRY(create_loop(config));
    auto machine =
        std::unique_ptr<Machine>(new Machine(config, timeline, TRY(EndingLatch::create()),
                                             std::move(ram), std::move(vm), std::move(loop)));
    TRY(machine->vm_.create_irqchip());
    TRY(machine->add_devices(keys));
    timeline.mark(Stage::kDevices);

    const BootPlan plan = TRY(prepare_guest(config, machine->ram_, timeline));

    if (plan.pit == PitNeed::kForCalibration) TRY(machine->vm_.create_pit());
    TRY(machine->create_vcpus(kvm, plan));
    timeline.mark(Stage::kCpu);
    return machine;
}

Machine::Machine(const Config& config, Timeline& timeline, EndingLatch ending, GuestRam ram, Vm vm,
                 std::unique_ptr<IoLoop> loop)
    : config_(config),
      timeline_(timeline),
      ending_(std::move(ending)),
      ram_(std::move(ram)),
      vm_(std::move(vm)),
      loop_(std::move(loop)) {}

Result<> Machine::add_devices(EscapeKeys keys) {
    console_ = TRY(SerialConsole::create(vm_, ports_, *loop_, keys, timeline_));
    TRY(ports_.add(layout::kI8042Data, I8042::kPorts, i8042_));
    TRY(ports_.add(layout::kExitPort, ExitPort::kPorts, exit_port_));
    TRY(ports_.add(layout::kSleepControlPort, SleepRegisters::kPorts, sleep_registers_));
    devices_ = TRY(VirtioDevices::create(config_, vm_, ram_.memory(), *loop_));
    return Ok{};
}

Result<> Machine::create_vcpus(const Kvm& kvm, const BootPlan& plan) {
    const size_t mapping_size = TRY(kvm.vcpu_mapping_size());
    vcpus_.reserve(config_.vcpus);
    for (uint32_t id = 0; id < config_.vcpus; ++id)
        vcpus_.push_back(TRY(Vcpu::create(TRY(vm_.create_vcpu(id)), mapping_size, ram_.memory())));
    TRY(set_cpu_features(kvm, plan));
    const bool one_runs = config_.vcpus == 1 || plan.entry.mode == EntryMode::kUser64;
    if (one_runs && plan.looks_after_serial_writes) TRY(coalesce_serial_output());
    return set_entry(vcpus_.front(), plan.entry);
}

Result<> Machine::set_cpu_features(const Kvm& kvm, const BootPlan& plan) {
    const uint32_t tsc_khz = vcpus_.front().tsc_khz();
    if (plan.entry.mode == EntryMode::kUser64) {
        // Its other vCPUs never run.
        Cpuid cpuid = Cpuid::for_user64(tsc_khz);
        return set_cpuid(vcpus_.front(), cpuid);
    }
    Cpuid cpuid = TRY(kvm.supported_cpuid());
    cpuid.set_machine(config_.vcpus, tsc_khz);
    const LegacyPic pic = plan.pit == PitNeed::kNone ? LegacyPic::kMasked : LegacyPic::kVirtualWire;
    for (uint32_t id = 0; id < config_.vcpus; ++id) {
        cpuid.set_vcpu(id);
        TRY(set_cpuid(vcpus_[id], cpuid));
        TRY(set_firmware_state(vcpus_[id], pic));
    }
    return Ok{};
}

Result<> Machine::coalesce_serial_output() {
    const size_t ring_page = vm_.coalesced_ring_page();
    if (ring_page == 0) return Ok{};  // an old host: an exit a byte, as ever
    TRY(vcpus_.front().drain_coalesced_output(ring_page));
    return vm_.coalesce_port_writes(layout::kSerialPort);
}

Result<> Machine::start() {
    TRY(enter_sandbox());
    timeline_.mark(Stage::kSandbox);
    for (size_t i = 0; i < vcpus_.size(); ++i)
        vcpu_threads_.push_back(
            TRY(Thread::start(kVcpuNames[i], [this, i] { run_vcpu(vcpus_[i]); })));
    io_thread_.emplace(TRY(IoThread::start(*loop_, [this](const Error& error) {
        ending_.report({.cause = Ending::Cause::kMonitor, .error = error});
    })));
    return Ok{};
}

void Machine::run_vcpu(Vcpu& vcpu) {
    if (vcpu.run(*this) == RunEnd::kCrashed)
        ending_.report({.cause = Ending::Cause::kCrash, .crash = vcpu.crash()});
}

void Machine::stop() {
    for (const Vcpu& vcpu : vcpus_) vcpu.stop();
    for (const Thread& thread : vcpu_threads_) thread.kill(vcpu_kick_signal());
    vcpu_threads_.clear();
    io_thread_.reset();
}

void Machine::port_in(uint16_t port, std::span<std::byte> data, unsigned width) {
    timeline_.mark(Stage::kFirstExit);
    ports_.in(port, data, width);
}

void Machine::port_out(uint16_t port, std::span<const std::byte> data, unsigned width) {
    timeline_.mark(Stage::kFirstExit);
    ports_.out(port, data, width);
}

void Machine::mmio_read(GuestAddress at, std::span<std::byte> data) {
    timeline_.mark(Stage::kFirstExit);
    if (devices_.read(at, data)) return;
    std::ranges::fill(data, std::byte{0xff});  // nobody drives the bus
}

void Machine::mmio_write(GuestAddress at, std::span<const std::byte> data) {
    timeline_.mark(Stage::kFirstExit);
    if (devices_.write(at, data)) return;
    if (at != layout::kBootSignal || data.empty() ||
        data[0] != std::byte{layout::kBootSignalValue} ||
        timeline_.ended_ns(Stage::kBootSignal) != 0)
        return;
    timeline_.mark(Stage::kBootSignal);
    if (!config_.log_boot_time) return;
    const uint64_t us = timeline_.ended_ns(Stage::kBootSignal) / 1000;
    log_line("guest is up after %llu.%03llu ms", static_cast<unsigned long long>(us / 1000),
             static_cast<unsigned long long>(us % 1000));
}

void Machine::guest_ended(GuestEnd how, uint32_t status) {
    timeline_.mark(Stage::kExit);
    const auto reported = static_cast<uint8_t>(how == GuestEnd::kExitPort ? status & 0xff : 0);
    ending_.report({.cause = Ending::Cause::kGuest, .status = reported});
}
