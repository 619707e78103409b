#include "monitor/machine/blank_vm.hpp"

#include <utility>

#include "monitor/machine/signals.hpp"
#include "monitor/memory/layout.hpp"

BlankVm::~BlankVm() {
    if (!thread_.has_value()) return;
    {
        const std::lock_guard lock(mutex_);
        is_given_up_ = true;
        changed_.notify_all();
    }
    thread_.reset();
}

Result<> BlankVm::open() {
    if (vm_.has_value()) return Ok{};
    kvm_.emplace(TRY(Kvm::open()));
    vm_.emplace(TRY(kvm_->create_vm()));
    timeline_.mark(Stage::kKvm);
    return Ok{};
}

Result<> BlankVm::give_room(size_t windows) {
    if (windows_.has_value() || windows == 0) return Ok{};
    windows_.emplace(TRY(Mapping::anonymous(windows * layout::kVirtioMmioSize)));
    return Ok{};
}

std::span<std::byte> BlankVm::windows() const {
    return windows_.has_value() ? windows_->bytes() : std::span<std::byte>();
}

Result<> BlankVm::give_ram(uint64_t size_bytes) {
    if (ram_.has_value() && ram_->size_bytes() == size_bytes) return Ok{};
    GuestRam ram = TRY(GuestRam::create(size_bytes));
    if (std::exchange(knows_ram_, false)) vm_->take_memory(ram_->regions());
    ram_.emplace(std::move(ram));
    return Ok{};
}

Result<> BlankVm::finish() {
    TRY(open());
    if (windows_.has_value() && !knows_windows_)
        TRY(vm_->set_readable(layout::kVirtioMmio, windows_->bytes()));
    knows_windows_ = windows_.has_value();
    if (!knows_ram_) TRY(vm_->set_memory(ram_->regions()));
    knows_ram_ = true;
    if (!has_interrupts_) TRY(vm_->create_irqchip());
    has_interrupts_ = true;
    timeline_.mark(Stage::kMemory);
    if (!boot_vcpu_) boot_vcpu_ = TRY(vm_->create_vcpu(0));
    timeline_.mark(Stage::kVcpu);
    return Ok{};
}

Result<> BlankVm::open_beside() {
    thread_.emplace(TRY(Thread::start("vcpu0", [this] { live(); })));
    thread_->move_elsewhere();
    thread_is_ours_ = true;
    return Ok{};
}

void BlankVm::finish_beside() {
    const std::lock_guard lock(mutex_);
    is_to_finish_ = true;
    changed_.notify_all();
}

void BlankVm::live() {
    timeline_.mark(Stage::kThread);
    block_all_signals();
    Result<> made = open();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_to_finish_ || is_given_up_; });
    if (is_given_up_) return;
    lock.unlock();
    if (made.ok()) made = finish();
    lock.lock();
    made_ = made;
    changed_.notify_all();
    changed_.wait(lock, [this] { return body_ != nullptr || is_given_up_; });
    const std::function<void()> body = std::move(body_);
    lock.unlock();
    if (body != nullptr) body();
}

Result<> BlankVm::wait() {
    if (!thread_is_ours_) return finish();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return made_.has_value(); });
    return *made_;
}

Result<Thread> BlankVm::run_boot_vcpu(const char* name, std::function<void()> body) {
    if (!thread_.has_value()) return Thread::start(name, std::move(body));
    {
        const std::lock_guard lock(mutex_);
        body_ = std::move(body);
        changed_.notify_all();
    }
    Thread thread = std::move(*thread_);
    thread_.reset();
    thread.settle();
    return thread;
}
