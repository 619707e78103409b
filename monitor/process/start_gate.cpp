#include "monitor/process/start_gate.hpp"

Result<std::unique_ptr<StartGate>> StartGate::create() {
    EventFd ordered = TRY(EventFd::create());
    return std::make_unique<StartGate>(Passkey<StartGate>(), std::move(ordered));
}

Result<RunningVm*> StartGate::start(const Config& config, HostFiles& files) {
    std::unique_lock lock(mutex_);
    outcome_.reset();
    order_.emplace(StartOrder{config, files});
    ordered_.signal();
    answered_.wait(lock, [this] { return outcome_.has_value() || is_closed_; });
    if (!outcome_.has_value()) return Error{"InstanceStart", 0, "the process is about to end"};
    return *outcome_;
}

void StartGate::foresee(uint64_t memory_bytes) {
    const std::lock_guard lock(mutex_);
    if (foreseen_memory_ == memory_bytes) return;
    foreseen_memory_ = memory_bytes;
    is_foreseen_anew_ = true;
    ordered_.signal();
}

std::optional<uint64_t> StartGate::take_foreseen_memory() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(is_foreseen_anew_, false)) return {};
    return foreseen_memory_;
}

std::optional<StartOrder> StartGate::take() {
    ordered_.drain();
    const std::lock_guard lock(mutex_);
    if (!order_.has_value()) return {};
    const StartOrder order = *order_;
    order_.reset();
    return order;
}

void StartGate::answer(Result<RunningVm*> outcome) {
    const std::lock_guard lock(mutex_);
    outcome_.emplace(outcome);
    answered_.notify_all();
}

void StartGate::close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    answered_.notify_all();
}
