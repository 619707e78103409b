#include "monitor/machine/machine.hpp"

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "base/log.hpp"
#include "base/monotonic_clock.hpp"
#include "monitor/channel/channel_stdio.hpp"
#include "monitor/console/serial_console.hpp"
#include "monitor/kvm/cpu_state.hpp"
#include "monitor/kvm/cpuid_check.hpp"
#include "monitor/machine/guest_boot.hpp"
#include "monitor/memory/layout.hpp"
#include "monitor/sandbox/sandbox.hpp"

Result<std::unique_ptr<Machine>> Machine::create(std::unique_ptr<BlankVm> blank, MachineShape shape,
                                                 const MachineHost& host, MachineOrigin origin) {
    Timeline& timeline = host.timeline;
    TRY(blank->give_room(shape.device_count()));
    TRY(blank->give_ram(shape.memory_bytes, host.config.ram_pages));
    blank->give_pmu(shape.extras.pmu);
    std::optional<EventFd> keyboard_interrupt;
    if (shape.has_keyboard) keyboard_interrupt.emplace(TRY(EventFd::create()));
    draw_missing_macs(shape);
    auto* const given = std::get_if<SavedMachine>(&origin);
    std::optional<SavedMachine> saved;
    if (given != nullptr) {
        TRY(check(given->state, shape));
        TRY(blank->ram().map_all(given->memory.get()));
        saved.emplace(std::move(*given));
    }
    const bool may_change = host.changes == Changes::kAllowed;
    auto loop = TRY(create_loop(shape.device_count(),
                                may_change ? RingFiles::kReplaceable : RingFiles::kFixed));
    auto machine = std::make_unique<Machine>(
        Passkey<Machine>(), std::move(shape), host, TRY(EndingLatch::create()),
        std::move(keyboard_interrupt), std::move(blank), std::move(loop), std::move(saved));
    DeviceFiles files = host.files.take_devices();
    TRY(machine->add_stdio(host, std::move(files.serial_output)));
    TRY(machine->add_devices(host.config, std::move(files)));
    if (may_change)
        machine->updates_.emplace(TRY(DeviceUpdates::create(machine->devices_, *machine->loop_)));
    timeline.mark(Stage::kDevices);
    if (machine->saved_.has_value()) {
        TRY(machine->plan_to_go_on(machine->saved_->state));
        if (!machine->saved_->state.vcpus[0].cpuid.empty()) TRY(machine->ask_for_cpuid());
        return machine;
    }
    machine->plan_ = TRY(prepare_guest(machine->shape_, std::get<BootOrigin>(origin),
                                       machine->blank_->ram(), timeline));
    const bool one_runs =
        machine->shape_.vcpus == 1 || machine->plan_.entry.mode == EntryMode::kUser64;
    machine->gathers_serial_writes_ = one_runs && machine->plan_.looks_after_serial_writes;
    if (machine->plan_.pit == PitNeed::kForCalibration)
        TRY(machine->pit_.emplace(*machine->blank_, machine->ending_).answer_at(machine->ports_));
    // 0.3 ms where the host is itself a VM; and a guest without a kernel has nothing to ask.
    if (machine->plan_.entry.mode != EntryMode::kUser64) TRY(machine->ask_for_cpuid());
    return machine;
}

Result<> Machine::ask_for_cpuid() {
    supported_cpuid_.emplace(TRY(TRY(blank_->open_kvm()).supported_cpuid()));
    TRY(supported_cpuid_->limit(shape_.extras));
    return cut_down(*supported_cpuid_, shape_.cpu_template);
}

Result<> Machine::plan_to_go_on(const MachineState& state) {
    gathers_serial_writes_ = state.gathers_serial_writes;
    // A PIT that is there is KVM's, which answers its ports.
    if (!state.answers_for_pit && !state.vm.pit.has_value()) return Ok{};
    pit_.emplace(*blank_, ending_, state.vm.pit.has_value());
    return state.vm.pit.has_value() ? Ok{} : pit_->answer_at(ports_);
}

Machine::Machine(Passkey<Machine> /*key*/, MachineShape shape, const MachineHost& host,
                 EndingLatch ending, std::optional<EventFd> keyboard_interrupt,
                 std::unique_ptr<BlankVm> blank, std::unique_ptr<IoLoop> loop,
                 std::optional<SavedMachine> saved)
    : shape_(std::move(shape)),
      ready_fd_(host.config.ready_fd),
      ready_way_(host.config.ready_way),
      logs_boot_time_(host.config.log_boot_time),
      vcpu_thread_name_(host.config.vcpu_threads),
      made_at_(logs_boot_time_ ? BootTime::now() : BootTime{}),
      ssbd_(host.config.tenancy.ssbd),
      timeline_(host.timeline),
      ending_(std::move(ending)),
      blank_(std::move(blank)),
      keyboard_interrupt_(std::move(keyboard_interrupt)),
      i8042_(*this, keyboard_interrupt_.has_value() ? &*keyboard_interrupt_ : nullptr,
             saved.has_value() ? saved->state.i8042 : I8042State{}),
      sleep_registers_(*this, layout::kSleepTypeS5,
                       saved.has_value() ? saved->state.sleep : SleepRegistersState{}),
      clock_(CmosClock::host_time, saved.has_value() ? saved->state.cmos : CmosClockState{}),
      loop_(std::move(loop)),
      saved_(std::move(saved)) {}

Result<> Machine::add_stdio(const MachineHost& host, UniqueFd serial_output) {
    switch (shape_.stdio) {
        case StdioKind::kSerial:
            stdio_ = TRY(SerialConsole::create(
                wiring_, ports_, *loop_, host.keys, std::move(serial_output),
                host.config.serial_limit, timeline_,
                saved_.has_value() ? *saved_->state.stdio.serial : SerialConsoleState{}));
            break;
        case StdioKind::kChannel:
            stdio_ = TRY(ChannelStdio::create(
                wiring_, blank_->ram().memory(), ports_, *loop_, timeline_, *this,
                saved_.has_value() ? *saved_->state.stdio.channel : ChannelStdioState{}));
            break;
    }
    return Ok{};
}

Result<> Machine::add_devices(const HostConfig& host, DeviceFiles files) {
    if (keyboard_interrupt_.has_value())
        wiring_.interrupt(*keyboard_interrupt_, Gsi{layout::kKeyboardGsi});
    // All but port 0x61, the PIT's.
    TRY(ports_.add(layout::kI8042Data, 1, i8042_));
    TRY(ports_.add(layout::kI8042Data + 2, I8042::kPorts - 2, i8042_, 2));
    TRY(ports_.add(layout::kExitPort, ExitPort::kPorts, exit_port_));
    TRY(ports_.add(layout::kSleepControlPort, SleepRegisters::kPorts, sleep_registers_));
    TRY(ports_.add(layout::kResetPort, ResetPort::kPorts, reset_port_));
    TRY(ports_.add(layout::kCmosIndex, CmosClock::kPorts, clock_));
    return devices_.add_all(shape_, host, std::move(files), blank_->windows(), wiring_,
                            blank_->ram().memory(), *loop_,
                            saved_.has_value() ? std::span(saved_->state.devices)
                                               : std::span<const VirtioDeviceState>());
}

Result<> Machine::complete() {
    if (is_complete_) return Ok{};
    TRY(blank_->wait());
    TRY(wiring_.connect(blank_->vm()));
    vcpu_mapping_size_ = TRY(blank_->kvm().vcpu_mapping_size());
    if (updates_.has_value()) xsave_bytes_ = blank_->vm().xsave_bytes();
    if (saved_.has_value()) restore_point_ = restore_point(blank_->vm());
    blank_->close_kvm();
    is_complete_ = true;
    return Ok{};
}

Result<> Machine::pause() {
    vcpus_->pause();
    Result<> held = updates_->hold();
    // What was said about the devices counts; that they cannot go on either, the next request says.
    if (!held.ok()) static_cast<void>(resume());
    return held;
}

Result<> Machine::resume() {
    const Result<> going_on = updates_->go_on();
    vcpus_->resume();
    return going_on;
}

// On the vCPU's thread.
Result<Vcpu> Machine::make_vcpu(uint32_t id, const Filters& filters) {
    timeline_.mark(Stage::kThread);  // where it has not made the VM
    timeline_.mark(Stage::kWait);
    if (id == 0) TRY(complete());
    UniqueFd fd = id == 0 ? blank_->take_boot_vcpu() : TRY(blank_->vm().create_vcpu(id));
    Vcpu vcpu = TRY(Vcpu::create(std::move(fd), vcpu_mapping_size_, blank_->ram().memory()));
    TRY(set_up_vcpu(id, vcpu));
    if (id == 0) TRY(gather_serial_writes(vcpu));
    // It is older than main's sandbox, and has not inherited it.
    if (id == 0 && is_made_beside()) TRY(enter_sandbox());
    TRY(wait_for_stores(ssbd_));
    TRY(filters.install(updates_.has_value() ? ThreadRole::kVcpuSaved : ThreadRole::kVcpu));
    return vcpu;
}

Result<> Machine::set_up_vcpu(uint32_t id, const Vcpu& vcpu) {
    if (supported_cpuid_.has_value()) {
        Cpuid cpuid = supported_cpuid_->copy();
        const uint32_t threads_per_core = std::min(shape_.threads_per_core, shape_.vcpus);
        cpuid.set_machine(shape_.vcpus, threads_per_core, vcpu.tsc_khz());
        cpuid.set_vcpu(id, threads_per_core);
        TRY(set_cpuid(vcpu, cpuid));
    }
    if (saved_.has_value()) {
        const VcpuState& state = saved_->state.vcpus[id];
        if (supported_cpuid_.has_value()) TRY(check_cpuid(state.cpuid, TRY(told_cpuid(vcpu))));
        return restore_vcpu(vcpu, state, restore_point_);
    }
    if (supported_cpuid_.has_value())
        TRY(set_firmware_state(
            vcpu, plan_.pit == PitNeed::kNone ? LegacyPic::kMasked : LegacyPic::kVirtualWire));
    return id == 0 ? set_entry(vcpu, plan_.entry) : Ok{};
}

Result<> Machine::gather_serial_writes(Vcpu& vcpu) {
    const Vm& vm = blank_->vm();
    // An old host has no ring: then each byte is an exit, as ever.
    const size_t ring_page = gathers_serial_writes_ ? vm.coalesced_ring_page() : 0;
    if (ring_page == 0) return Ok{};
    TRY(vcpu.drain_coalesced_output(ring_page));
    return vm.coalesce_port_writes(layout::kSerialPort);
}

Result<> Machine::start(const Filters& filters, AfterRestore first) {
    // Each of several threads needs it; one may be making it.
    if (shape_.vcpus > 1 || !is_made_beside()) TRY(complete());
    vcpus_ = TRY(VcpuThreads::start(
        {.blank = *blank_,
         .accesses = *this,
         .ending = ending_,
         .timeline = timeline_,
         .metrics = vcpu_metrics_,
         .first = first,
         .name = vcpu_thread_name_,
         .make = [this, &filters](uint32_t id) { return make_vcpu(id, filters); }},
        shape_.vcpus));
    if (saved_.has_value()) TRY(go_on_from(saved_->state, first));
    TRY(start_io_thread(filters));
    // A client whose order has failed may give another, which main's filter would not allow.
    if (updates_.has_value()) TRY(vcpus_->wait_for_all_but_main());
    TRY(filters.install(ThreadRole::kMain));
    vcpus_->note_confined();
    TRY(vcpus_->wait_until_running());
    // So that whoever is told that it is paused may save it, or let it run on, at once.
    if (first == AfterRestore::kPaused) vcpus_->pause();
    return Ok{};
}

// Local APICs come before what interrupts them, and both before a device that does: the I/O thread
// is yet to start.
Result<> Machine::go_on_from(const MachineState& state, AfterRestore first) {
    TRY(vcpus_->wait_until_ready());
    // A guest finds a clock that moves against its time-stamp counter unstable: these have gone on
    // since the restore point.
    VmState vm = state.vm;
    vm.clock.clock += monotonic_ns() - restore_point_.time_ns;
    TRY(blank_->vm().restore(vm));
    stdio_->repeat_interrupts();
    i8042_.repeat_interrupt();
    // Else resume() lets them go on.
    if (first == AfterRestore::kRuns) devices_.hold(false);
    saved_.reset();
    return Ok{};
}

Result<MachineState> Machine::save() {
    MachineState state;
    state.shape = shape_;
    state.gathers_serial_writes = gathers_serial_writes_;
    state.devices = TRY(updates_->save());
    state.vcpus = TRY(vcpus_->save(xsave_bytes_));
    const uint64_t time_ns = monotonic_ns();
    state.answers_for_pit = pit_.has_value();
    state.vm = TRY(blank_->vm().save(pit_.has_value() && pit_->is_made() ? PitPresence::kMade
                                                                         : PitPresence::kNone));
    state.vm.clock.clock -= monotonic_ns() - time_ns;  // to the moment of the counters
    state.stdio = stdio_->save();
    state.i8042 = i8042_.save();
    state.cmos = clock_.save();
    state.sleep = sleep_registers_.save();
    return state;
}

Result<> Machine::create_snapshot(const SnapshotTarget& target) {
    MachineState state = TRY(save());
    state.lent = lent_of(target.config);
    return write_snapshot(target, state, ram_regions());
}

Result<> Machine::start_io_thread(const Filters& filters) {
    io_thread_.emplace(TRY(
        IoThread::start(*loop_, filters,
                        {.on_confined = [this] { vcpus_->note_confined(); },
                         .on_unfit = [this](const Error& error) { vcpus_->give_up(error); },
                         .on_error =
                             [this](const Error& error) {
                                 ending_.report({.cause = Ending::Cause::kMonitor, .error = error});
                             }})));
    return Ok{};
}

void Machine::attach_to(Metrics& metrics) const {
    metrics.attach(vcpu_metrics_);
    metrics.attach(i8042_.metrics());
    stdio_->attach_to(metrics);
    devices_.attach_to(metrics);
}

void Machine::stop() {
    if (vcpus_ != nullptr) vcpus_->stop();
    io_thread_.reset();
}

void Machine::port_in(uint16_t port, std::span<std::byte> data, unsigned width) {
    timeline_.mark(Stage::kFirstExit);
    vcpu_metrics_.exit_io_in.add();
    ports_.in(port, data, width);
}

void Machine::port_out(uint16_t port, std::span<const std::byte> data, unsigned width) {
    timeline_.mark(Stage::kFirstExit);
    vcpu_metrics_.exit_io_out.add();
    ports_.out(port, data, width);
}

void Machine::mmio_read(GuestAddress at, std::span<std::byte> data) {
    timeline_.mark(Stage::kFirstExit);
    vcpu_metrics_.exit_mmio_read.add();
    if (devices_.read(at, data)) return;
    std::ranges::fill(data, std::byte{0xff});  // nobody drives the bus
}

void Machine::mmio_write(GuestAddress at, std::span<const std::byte> data) {
    timeline_.mark(Stage::kFirstExit);
    vcpu_metrics_.exit_mmio_write.add();
    if (devices_.write(at, data)) return;
    if (at == layout::kBootSignal && !data.empty() &&
        data[0] == std::byte{layout::kBootSignalValue})
        note_boot_signal();
}

// vCPU threads.
void Machine::note_boot_signal() {
    if (timeline_.ended_ns(Stage::kBootSignal) != 0) return;
    timeline_.mark(Stage::kBootSignal);
    if (ready_fd_.has_value()) {
        constexpr std::string_view kLine = "guest\n";
        // Nobody may be there to read it, which is their affair.
        static_cast<void>(write_unwaited(*ready_fd_, ready_way_, kLine));
    }
    if (!logs_boot_time_) return;
    // Firecracker's words: programs look for them.
    const BootTime now = BootTime::now();
    const uint64_t us = now.us - made_at_.us;
    const uint64_t cpu_us = now.cpu_us - made_at_.cpu_us;
    LOG_INFO("Guest-boot-time = %6" PRIu64 " us %" PRIu64 " ms, %6" PRIu64 " CPU us %" PRIu64
             " CPU ms",
             us, us / 1000, cpu_us, cpu_us / 1000);
}

void Machine::guest_ended(GuestEnd how, uint32_t status) {
    timeline_.mark(Stage::kExit);
    if (how == GuestEnd::kExitPort)
        ending_.report(
            {.cause = Ending::Cause::kReport, .status = static_cast<uint8_t>(status & 0xff)});
    else if (how == GuestEnd::kVersion)
        ending_.report({.cause = Ending::Cause::kVersion, .guest_version = status});
    else
        ending_.report({.cause = Ending::Cause::kGuest});
}

void leave_to_the_kernel(std::unique_ptr<Machine> machine) {
    static_cast<void>(machine.release());
}
