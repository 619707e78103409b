#include "monitor/machine/blank_vm.hpp"

#include <utility>

#include "monitor/memory/layout.hpp"

BlankVm::~BlankVm() {
    if (thread_ != nullptr) thread_->wait();
}

Result<Kvm> BlankVm::open_kvm() const {
    if (opened_kvm_ == nullptr || !opened_kvm_->has_value()) return Kvm::open();
    const Result<Kvm>& opened = **opened_kvm_;
    return opened.ok() ? opened.value().duplicate() : opened.error();
}

Result<> BlankVm::open() {
    if (vm_.has_value()) return Ok{};
    kvm_.emplace(TRY(open_kvm()));
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

Result<> BlankVm::give_ram(uint64_t size_bytes, RamPages pages) {
    if (ram_.has_value() && ram_->size_bytes() == size_bytes && ram_->pages() == pages) return Ok{};
    GuestRam ram = TRY(GuestRam::create(size_bytes, pages));
    if (std::exchange(knows_ram_, false)) vm_->take_memory(ram_->regions());
    ram_.emplace(std::move(ram));
    return Ok{};
}

void BlankVm::give_pmu(bool pmu) {
    if (has_pmu_ == pmu) return;
    has_pmu_ = pmu;
    if (!boot_vcpu_) return;
    boot_vcpu_ = UniqueFd();
    vm_.reset();
    knows_windows_ = knows_ram_ = has_interrupts_ = false;
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
    if (!boot_vcpu_) {
        if (!has_pmu_) vm_->give_no_pmu();
        boot_vcpu_ = TRY(vm_->create_vcpu(0));
    }
    timeline_.mark(Stage::kVcpu);
    return Ok{};
}

void BlankVm::open_beside() {
    thread_->give([this] { made_ = open(); });
}

void BlankVm::finish_beside() {
    const auto make = [this] {
        timeline_.mark(Stage::kThread);
        if (made_.ok()) made_ = finish();
    };
    if (thread_ != nullptr) return thread_->give(make);
    auto maker = Thread::start("kvm", make);
    if (!maker.ok()) return make();
    maker.value().move_elsewhere();
    maker_.emplace(std::move(maker).value());
}

Result<> BlankVm::wait() {
    if (thread_ != nullptr) thread_->wait();
    maker_.reset();
    return made_.ok() ? finish() : made_;  // what is there stays
}

Result<Thread> BlankVm::run_boot_vcpu(const char* name, std::function<void()> body) {
    if (thread_ == nullptr) return Thread::start(name, std::move(body));
    return Thread::on(*thread_, std::move(body));
}
