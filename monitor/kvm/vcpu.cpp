#include "monitor/kvm/vcpu.hpp"

#include <algorithm>
#include <atomic>

#include "monitor/kvm/ioctl.hpp"
#include "monitor/memory/layout.hpp"

Result<Vcpu> Vcpu::create(UniqueFd fd, size_t mapping_size, GuestMemory memory) {
    if (mapping_size < sizeof(kvm_run)) return Error{"KVM_GET_VCPU_MMAP_SIZE", EINVAL};
    Mapping shared = TRY(Mapping::shared(fd.get(), mapping_size, 0));
    return Vcpu{std::move(fd), std::move(shared), memory};
}

kvm_run& Vcpu::shared() const {
    // KVM keeps this structure at the start of the mapping; create() checked the size.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return *reinterpret_cast<kvm_run*>(shared_.bytes().data());
}

void Vcpu::stop() const {
    std::atomic_ref<__u8>(shared().immediate_exit).store(1, std::memory_order_relaxed);
}

void Vcpu::let_run() const {
    std::atomic_ref<__u8>(shared().immediate_exit).store(0, std::memory_order_relaxed);
}

void Vcpu::note_pause() const {
    // EINVAL of a guest that has no kvm-clock.
    static_cast<void>(kvm_ioctl(fd_.get(), kvm_request::kKvmclockCtrl));
}

uint32_t Vcpu::tsc_khz() const {
    const auto khz = kvm_ioctl(fd_.get(), kvm_request::kGetTscKhz);
    return khz.ok() ? static_cast<uint32_t>(khz.value()) : 0;
}

Result<> Vcpu::drain_coalesced_output(size_t ring_page) {
    const auto bytes = shared_.bytes();
    if (ring_page == 0 || ring_page >= bytes.size() / layout::kPageSize)
        return Error{"KVM_CAP_COALESCED_MMIO", ENOTSUP};
    coalesced_.emplace(bytes.subspan(ring_page * layout::kPageSize, layout::kPageSize));
    return Ok{};
}

RunEnd Vcpu::run(VcpuAccesses& accesses) {
    RunEnd end = RunEnd::kNone;
    while (end == RunEnd::kNone) end = run_until_exit(accesses);
    return end;
}

RunEnd Vcpu::run_until_exit(VcpuAccesses& accesses) {
    const auto result = kvm_ioctl(fd_.get(), kvm_request::kRun);
    if (coalesced_) coalesced_->drain(accesses);
    if (result.ok()) {
        retries_ = 0;
        if (!handle_exit(accesses)) return RunEnd::kCrashed;
        return accesses.has_ended() ? RunEnd::kStopped : RunEnd::kNone;
    }
    switch (result.error().code) {
        case EAGAIN:  // an application processor that has not been started yet sleeps before it
            if (++retries_ > kMostRetries) {
                record_crash("KVM cannot start its thread (is there a limit on processes?)",
                             EAGAIN);
                return RunEnd::kCrashed;
            }
            [[fallthrough]];
        case EINTR: {
            const std::atomic_ref<__u8> immediate_exit(shared().immediate_exit);
            return immediate_exit.load(std::memory_order_relaxed) != 0 ? RunEnd::kStopped
                                                                       : RunEnd::kNone;
        }
        case EFAULT:
            record_crash("guest memory is gone (was the kernel's file cut short?)", EFAULT);
            return RunEnd::kCrashed;
        default:
            record_crash("KVM_RUN failed", static_cast<uint64_t>(result.error().code));
            return RunEnd::kCrashed;
    }
}

bool Vcpu::handle_exit(VcpuAccesses& accesses) {
    const kvm_run& exit = shared();
    switch (exit.exit_reason) {
        case KVM_EXIT_IO:
            handle_port_io(accesses);
            return true;
        case KVM_EXIT_MMIO:
            handle_mmio(accesses);
            return true;
        case KVM_EXIT_INTR:
        case KVM_EXIT_IRQ_WINDOW_OPEN:
            return true;
        case KVM_EXIT_SHUTDOWN:
            record_crash("triple fault", 0);
            return false;
        case KVM_EXIT_FAIL_ENTRY:
            record_crash("the CPU refused the guest's state",
                         exit.fail_entry.hardware_entry_failure_reason);
            return false;
        case KVM_EXIT_INTERNAL_ERROR:
            record_internal_error();
            return false;
        case KVM_EXIT_HLT:  // only without an interrupt controller, which every VM here has
            record_crash("halted for ever", 0);
            return false;
        default:
            record_crash("unexpected KVM exit", exit.exit_reason);
            return false;
    }
}

void Vcpu::handle_port_io(VcpuAccesses& accesses) {
    const auto& io = shared().io;
    const auto data = shared_.bytes().subspan(io.data_offset, size_t{io.size} * io.count);
    if (io.direction == KVM_EXIT_IO_OUT)
        accesses.port_out(io.port, data, io.size);
    else
        accesses.port_in(io.port, data, io.size);
}

void Vcpu::handle_mmio(VcpuAccesses& accesses) {
    auto& mmio = shared().mmio;
    const auto data = std::as_writable_bytes(std::span(mmio.data))
                          .first(std::min<size_t>(mmio.len, sizeof(mmio.data)));
    if (mmio.is_write != 0)
        accesses.mmio_write(GuestAddress{mmio.phys_addr}, data);
    else
        accesses.mmio_read(GuestAddress{mmio.phys_addr}, data);
}

void Vcpu::record_internal_error() {
    const kvm_run& exit = shared();
    switch (exit.internal.suberror) {
        case KVM_INTERNAL_ERROR_EMULATION: {
            record_crash("KVM cannot emulate an instruction", exit.internal.suberror);
            const auto& failure = exit.emulation_failure;
            // ndata counts 64-bit words: flags, then size and bytes of the instruction.
            if (failure.ndata >= 3 &&
                (failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0) {
                const size_t size = std::min<size_t>(failure.insn_size, crash_.instruction.size());
                std::copy_n(failure.insn_bytes, size, crash_.instruction.begin());
                crash_.instruction_size = static_cast<uint8_t>(size);
            }
            break;
        }
        case KVM_INTERNAL_ERROR_SIMUL_EX:
            record_crash("KVM met an exception inside an exception", exit.internal.suberror);
            break;
        case KVM_INTERNAL_ERROR_DELIVERY_EV:
            record_crash("KVM cannot deliver an event", exit.internal.suberror);
            break;
        default:
            record_crash("KVM internal error", exit.internal.suberror);
    }
}

void Vcpu::record_crash(const char* reason, uint64_t code) {
    crash_ = GuestCrash{.reason = reason, .code = code};
    kvm_regs registers{};
    if (!kvm_ioctl(fd_.get(), kvm_request::kGetRegs, registers).ok()) return;
    crash_.rip = registers.rip;
    read_instruction();
}

void Vcpu::read_instruction() {
    kvm_sregs segments{};
    if (!kvm_ioctl(fd_.get(), kvm_request::kGetSregs, segments).ok()) return;
    const uint64_t linear = segments.cs.l != 0 ? crash_.rip : segments.cs.base + crash_.rip;
    kvm_translation translation{.linear_address = linear};
    if (!kvm_ioctl(fd_.get(), kvm_request::kTranslate, translation).ok()) return;
    if (translation.valid == 0) return;
    // The next page may be elsewhere: stay in this one.
    const uint64_t in_page = layout::kPageSize - translation.physical_address % layout::kPageSize;
    const size_t size = std::min<uint64_t>(in_page, crash_.instruction.size());
    const auto to = std::as_writable_bytes(std::span(crash_.instruction)).first(size);
    if (memory_.read_bytes(GuestAddress{translation.physical_address}, to).ok())
        crash_.instruction_size = static_cast<uint8_t>(size);
}
