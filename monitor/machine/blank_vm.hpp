// What a machine is to KVM and to its guest before it is anything else: RAM, register windows, the
// VM, its interrupt controller and its boot vCPU. KVM takes most of a start for it and asks for
// little, so it can be made ahead, by a door that waits for orders, or beside everything else.
//
// Main's; what is made beside is another thread's until wait() returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/lent_thread.hpp"
#include "base/mapping.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "base/unique_fd.hpp"
#include "monitor/kvm/kvm.hpp"
#include "monitor/kvm/vm.hpp"
#include "monitor/memory/guest_ram.hpp"
#include "monitor/metrics/timeline.hpp"

class BlankVm {
public:
    // Nothing yet. All outlive it. `thread` is there to make the VM beside what main does, and
    // becomes the boot vCPU's; nullptr: there is none. `kvm`: what came of opening /dev/kvm, where
    // that was done ahead.
    explicit BlankVm(Timeline& timeline, LentThread* thread = nullptr,
                     const std::optional<Result<Kvm>>* kvm = nullptr)
        : timeline_(timeline), thread_(thread), opened_kvm_(kvm) {}
    BlankVm(const BlankVm&) = delete;
    BlankVm& operator=(const BlankVm&) = delete;
    ~BlankVm();

    // KVM as a whole, for who asks beside the thread that makes the VM. Errors: those of
    // Kvm::open().
    Result<Kvm> open_kvm() const;

    // The VM alone. What is there stays, here and in all that follows. Errors: those of Kvm::open()
    // and Kvm::create_vm().
    Result<> open();

    // Pages for so many register windows, and for the guest's RAM: the addresses, of which KVM
    // learns by finish(). RAM of another kind than before is exchanged, which takes long where KVM
    // has learnt of it. Not while finish_beside() is at work. Errors: ENOMEM.
    Result<> give_room(size_t windows);
    Result<> give_ram(uint64_t size_bytes, RamPages pages);

    // Whether vCPUs have performance counters; without it they have none. A VM that has its boot
    // vCPU the other way is made anew, which takes long. Not while finish_beside() is at work,
    // unless it changes nothing.
    void give_pmu(bool pmu);

    // All that is missing, in the order that costs least: memory before the interrupt controller
    // (vm.hpp). Errors: KVM's; the VM is then only good for its end.
    Result<> finish();

    // The same as open() and finish() on the lent thread; without one, finish() on one that ends
    // with it. What goes wrong is said by wait(). Precondition of the first: there is a lent
    // thread.
    void open_beside();
    void finish_beside();
    bool is_made_by_boot_vcpu() const { return thread_ != nullptr; }

    // Until all is there; makes it now where nobody does. Main, or the thread that has made it.
    // Errors: those of finish().
    Result<> wait();

    // Runs `body` on the lent thread, once the VM is made, or else on a new one of that name.
    // Errors: as Thread::start().
    Result<Thread> run_boot_vcpu(const char* name, std::function<void()> body);

    // Preconditions: give_ram(); give_room().
    const GuestRam& ram() const { return *ram_; }
    std::span<std::byte> windows() const;

    // Preconditions: wait().
    const Kvm& kvm() const { return *kvm_; }
    const Vm& vm() const { return *vm_; }
    UniqueFd take_boot_vcpu() { return std::move(boot_vcpu_); }
    // Nothing is asked of KVM as a whole any more.
    void close_kvm() { kvm_.reset(); }

private:
    Timeline& timeline_;
    LentThread* const thread_;
    const std::optional<Result<Kvm>>* const opened_kvm_;
    // Destroyed from the last to the first: the VM before its memory.
    std::optional<GuestRam> ram_;
    std::optional<Mapping> windows_;  // none: there are none
    std::optional<Kvm> kvm_;
    std::optional<Vm> vm_;
    bool knows_windows_ = false;
    bool knows_ram_ = false;
    bool has_interrupts_ = false;
    bool has_pmu_ = false;
    UniqueFd boot_vcpu_;
    Result<> made_ = Ok{};         // beside
    std::optional<Thread> maker_;  // where no thread is lent; before all that it uses
};
