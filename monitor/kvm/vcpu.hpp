// One virtual CPU: its KVM descriptor, the structure shared with KVM, and the run loop.
//
// Made and used by its own thread alone; only stop() may be called from elsewhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/mapping.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/kvm/coalesced_output.hpp"
#include "virtio/guest_memory.hpp"

struct kvm_run;

// The guest's accesses that reach the monitor. Called on vCPU threads.
class VcpuAccesses {
public:
    // `data` holds one or more accesses of `width` bytes (string I/O); an IN fills it.
    virtual void port_in(uint16_t port, std::span<std::byte> data, unsigned width) = 0;
    virtual void port_out(uint16_t port, std::span<const std::byte> data, unsigned width) = 0;
    virtual void mmio_read(GuestAddress at, std::span<std::byte> data) = 0;
    virtual void mmio_write(GuestAddress at, std::span<const std::byte> data) = 0;

    // True once the guest has ended itself: no further instruction of it runs.
    virtual bool has_ended() const = 0;

protected:
    ~VcpuAccesses() = default;
};

// Why a vCPU cannot go on.
struct GuestCrash {
    const char* reason = nullptr;  // literal
    uint64_t code = 0;             // KVM's suberror, hardware reason or errno
    uint64_t rip = 0;
    std::array<uint8_t, 15> instruction{};  // at rip; 15 bytes are the longest there are
    uint8_t instruction_size = 0;           // 0 where the bytes could not be read
};

enum class RunEnd { kNone, kStopped, kCrashed };

class Vcpu {
public:
    // `fd` of KVM_CREATE_VCPU; `mapping_size` of KVM_GET_VCPU_MMAP_SIZE, bytes.
    static Result<Vcpu> create(UniqueFd fd, size_t mapping_size, GuestMemory memory);

    // Runs the guest until it ends itself, stop() is called or it crashes. Own thread.
    RunEnd run(VcpuAccesses& accesses);

    // The same until the guest's first VM exit to the monitor; kNone: it may run on.
    RunEnd run_until_exit(VcpuAccesses& accesses);

    // Valid after run() returned kCrashed.
    const GuestCrash& crash() const { return crash_; }

    // run() returns kStopped soon, or at once when it is called next, provided the caller also
    // sends the thread a signal that has a handler: KVM_RUN ends early only at a signal.
    void stop() const;

    // After run() returned kStopped: it may be called again. Own thread.
    void let_run() const;
    // Tells the guest's kvm-clock that it has stood still, so that its watchdogs do not bark. Own
    // thread.
    void note_pause() const;

    // From now on each return from the guest first hands over what KVM gathered for
    // Vm::coalesce_port_writes. Errors: ENOTSUP where this host's KVM gathers nothing.
    Result<> drain_coalesced_output(size_t ring_page);

    // Frequency of the guest's time-stamp counter in kHz; 0 where the host does not know it.
    uint32_t tsc_khz() const;

    int fd() const { return fd_.get(); }

private:
    Vcpu(UniqueFd fd, Mapping shared, GuestMemory memory)
        : fd_(std::move(fd)), shared_(std::move(shared)), memory_(memory) {}

    kvm_run& shared() const;
    // True if the guest goes on; otherwise crash_ says why not.
    bool handle_exit(VcpuAccesses& accesses);
    void handle_port_io(VcpuAccesses& accesses);
    void handle_mmio(VcpuAccesses& accesses);
    void record_internal_error();
    void record_crash(const char* reason, uint64_t code);
    void read_instruction();

    UniqueFd fd_;
    Mapping shared_;
    GuestMemory memory_;
    std::optional<CoalescedOutput> coalesced_;
    // KVM_RUNs in a row that KVM wants to be tried again. An application processor sleeps in each.
    static constexpr uint32_t kMostRetries = 1000;
    uint32_t retries_ = 0;
    GuestCrash crash_;
};
