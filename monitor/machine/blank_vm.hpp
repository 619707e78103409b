// What a machine is to KVM and to its guest before it is anything else: RAM, register windows, the
// VM, its interrupt controller and its boot vCPU. KVM takes most of a start for it and asks for
// little, so it can be made ahead, by a door that waits for orders, or beside everything else.
//
// Main's, but for what finish() makes, which is of the thread that it runs on until wait() returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "base/condition_variable.hpp"
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
    // Nothing yet. `timeline` outlives it.
    explicit BlankVm(Timeline& timeline) : timeline_(timeline) {}
    BlankVm(const BlankVm&) = delete;
    BlankVm& operator=(const BlankVm&) = delete;
    ~BlankVm();

    // The VM alone. What is there stays, here and in all that follows. Errors: those of Kvm::open()
    // and Kvm::create_vm().
    Result<> open();

    // Pages for so many register windows, and for the guest's RAM: the addresses, of which KVM
    // learns by finish(). RAM of another size than before is exchanged, which takes long where KVM
    // has learnt of it. Not while finish_beside() is at work. Errors: ENOMEM.
    Result<> give_room(size_t windows);
    Result<> give_ram(uint64_t size_bytes);

    // All that is missing, in the order that costs least: memory before the interrupt controller
    // (vm.hpp). Errors: KVM's; the VM is then only good for its end.
    Result<> finish();

    // The same as open() and finish() on a thread, which becomes the boot vCPU's. It takes no
    // signals. Errors: as Thread::start(); what goes wrong on it is said by wait().
    Result<> open_beside();
    void finish_beside();
    bool is_made_beside() const { return thread_is_ours_; }

    // Until all is there; makes it now where nobody does. Main, or the thread that has made it.
    // Errors: those of finish().
    Result<> wait();

    // Runs `body` on the thread that has made the VM once it has, or else on a new one, which may
    // be this one's last. Once. Errors: as Thread::start().
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
    void live();

    Timeline& timeline_;
    // Destroyed from the last to the first: the VM before its memory.
    std::optional<GuestRam> ram_;
    std::optional<Mapping> windows_;  // none: there are none
    std::optional<Kvm> kvm_;
    std::optional<Vm> vm_;
    bool knows_windows_ = false;
    bool knows_ram_ = false;
    bool has_interrupts_ = false;
    UniqueFd boot_vcpu_;

    bool thread_is_ours_ = false;
    std::mutex mutex_;  // guards what follows, up to the thread
    ConditionVariable changed_;
    bool is_to_finish_ = false;     // the pages are there
    std::optional<Result<>> made_;  // by the thread; none: not yet
    std::function<void()> body_;    // what the thread goes on with
    bool is_given_up_ = false;      // it is to end
    std::optional<Thread> thread_;  // of main
};
