// One virtual machine, from its shape to its end: owns KVM's part, guest RAM, devices and threads.
//
// Created, started and destroyed by main; the guest's accesses arrive on the vCPU threads.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "base/passkey.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/console/input.hpp"
#include "monitor/console/stdio.hpp"
#include "monitor/kvm/cpu_state.hpp"
#include "monitor/kvm/vcpu.hpp"
#include "monitor/kvm/wiring.hpp"
#include "monitor/machine/after_restore.hpp"
#include "monitor/machine/blank_vm.hpp"
#include "monitor/machine/device_updates.hpp"
#include "monitor/machine/ending.hpp"
#include "monitor/machine/guest_boot.hpp"
#include "monitor/machine/host.hpp"
#include "monitor/machine/host_files.hpp"
#include "monitor/machine/io_thread.hpp"
#include "monitor/machine/late_pit.hpp"
#include "monitor/machine/saved_machine.hpp"
#include "monitor/machine/shape.hpp"
#include "monitor/machine/vcpu_threads.hpp"
#include "monitor/machine/virtio_devices.hpp"
#include "monitor/memory/layout.hpp"
#include "monitor/metrics/boot_time.hpp"
#include "monitor/metrics/metrics.hpp"
#include "monitor/metrics/timeline.hpp"
#include "monitor/ports/bus.hpp"
#include "monitor/ports/cmos_clock.hpp"
#include "monitor/ports/control.hpp"
#include "monitor/ports/i8042.hpp"

// Whether devices may be changed while the machine runs, by the API.
enum class Changes : uint8_t { kNone, kAllowed };

// What this process lends a machine.
struct MachineHost {
    const HostConfig& config;  // limits and readiness; not used any more when create() returns
    HostFiles& files;          // create() takes the devices' out of it
    EscapeKeys keys;
    Changes changes;
    Timeline& timeline;  // outlives the machine
};

// Where a machine begins: by booting, or where another one was saved.
using MachineOrigin = std::variant<BootOrigin, SavedMachine>;

class Machine final : private VcpuAccesses, private ControlListener {
public:
    // Everything but KVM's part, which may be in the making: `blank` gets `shape`, `host` serves
    // it, and it begins where `origin` says.
    static Result<std::unique_ptr<Machine>> create(std::unique_ptr<BlankVm> blank,
                                                   MachineShape shape, const MachineHost& host,
                                                   MachineOrigin origin);

    Machine(Passkey<Machine> key, MachineShape shape, const MachineHost& host, EndingLatch ending,
            std::optional<EventFd> keyboard_interrupt, std::unique_ptr<BlankVm> blank,
            std::unique_ptr<IoLoop> loop, std::optional<SavedMachine> saved);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    ~Machine() { stop(); }

    // KVM's part, and what the rest is to it. start() does that too, without holding up its caller;
    // this is for who cannot have /dev/kvm any more by then. Errors: those of BlankVm::wait().
    Result<> complete();

    // Whether complete() would wait for another thread to make KVM's part.
    bool is_made_beside() const { return blank_->is_made_by_boot_vcpu(); }

    // Puts each thread, the caller's too, under its filter, and then lets the guest run. `filters`
    // outlive the threads. Precondition: the caller has entered the sandbox. Errors: those of
    // complete(); EAGAIN where no more threads may be had, those of Filters::install(); the machine
    // is then only good for stop(). A machine that was saved may begin with a pause, where
    // Changes::kAllowed. Errors, besides: what of its state this host cannot take.
    Result<> start(const Filters& filters, AfterRestore first = AfterRestore::kRuns);

    // Between the two no guest instruction runs, and no disk's file changes; frames wait.
    // Idempotent. Of any one thread while the machine runs, as updates(). Errors: those of
    // DeviceUpdates; the machine then runs on. Precondition: as updates().
    Result<> pause();
    Result<> resume();

    // Writes what the machine is to two files; it stays as it is. On the thread of pause().
    // Precondition: paused. Errors: KVM's; those of write_snapshot(); a device that is not still.
    Result<> create_snapshot(const SnapshotTarget& target);

    // Precondition: made with Changes::kAllowed.
    DeviceUpdates& updates() { return *updates_; }

    // As I8042::press_ctrl_alt_del().
    Result<> send_ctrl_alt_del() { return i8042_.press_ctrl_alt_del(); }

    // What the machine counts is among `metrics` from now on; it outlives them.
    void attach_to(Metrics& metrics) const;

    // Ends all threads: afterwards no guest instruction runs. Idempotent.
    void stop();

    EndingLatch& ending() { return ending_; }
    Stdio& stdio() { return *stdio_; }
    std::span<const GuestMemory::Region> ram_regions() const { return blank_->ram().regions(); }

private:
    Result<> add_stdio(const MachineHost& host, UniqueFd serial_output);
    Result<> add_devices(const HostConfig& host, DeviceFiles files);
    Result<Vcpu> make_vcpu(uint32_t id, const Filters& filters);
    Result<> set_up_vcpu(uint32_t id, const Vcpu& vcpu);
    Result<> gather_serial_writes(Vcpu& vcpu);
    Result<> ask_for_cpuid();
    Result<> plan_to_go_on(const MachineState& state);
    Result<MachineState> save();
    Result<> go_on_from(const MachineState& state, AfterRestore first);
    Result<> start_io_thread(const Filters& filters);

    // VcpuAccesses
    void port_in(uint16_t port, std::span<std::byte> data, unsigned width) override;
    void port_out(uint16_t port, std::span<const std::byte> data, unsigned width) override;
    void mmio_read(GuestAddress at, std::span<std::byte> data) override;
    void mmio_write(GuestAddress at, std::span<const std::byte> data) override;
    bool has_ended() const override { return ending_.has_ended(); }

    // ControlListener
    void guest_ended(GuestEnd how, uint32_t status) override;

    void note_boot_signal();

    // Destroyed from the last to the first: threads before what they use, vCPUs before the memory
    // that KVM has mapped (guest RAM, register pages).
    MachineShape shape_;
    std::optional<int> ready_fd_;
    WriteWay ready_way_;
    bool logs_boot_time_;
    const char* vcpu_thread_name_;
    BootTime made_at_;  // where it logs that
    Measure ssbd_;
    Timeline& timeline_;
    EndingLatch ending_;
    VcpuMetrics vcpu_metrics_;
    std::unique_ptr<BlankVm> blank_;
    Wiring wiring_;
    PortBus ports_;
    std::optional<EventFd> keyboard_interrupt_;  // none: no keyboard
    I8042 i8042_;
    ExitPort exit_port_{*this};
    SleepRegisters sleep_registers_;
    ResetPort reset_port_{*this};
    CmosClock clock_;
    std::unique_ptr<IoLoop> loop_;
    std::unique_ptr<Stdio> stdio_;
    VirtioDevices devices_;
    std::optional<DeviceUpdates> updates_;
    BootPlan plan_;
    bool gathers_serial_writes_ = false;  // see monitor/kvm/coalesced_output
    std::optional<SavedMachine> saved_;   // where it begins; none: by its plan, or it has begun
    std::optional<LatePit> pit_;
    bool is_complete_ = false;  // what follows is there
    size_t vcpu_mapping_size_ = 0;
    RestorePoint restore_point_{};          // of one that was saved
    size_t xsave_bytes_ = 0;                // of one that may be
    std::optional<Cpuid> supported_cpuid_;  // none for a user64 guest
    std::optional<IoThread> io_thread_;
    std::unique_ptr<VcpuThreads> vcpus_;
};

// For the end of the process, which takes all of a machine down in one go: done part by part it is
// a sixth of the processor time of a short VM. Precondition: it has been stopped.
void leave_to_the_kernel(std::unique_ptr<Machine> machine);
