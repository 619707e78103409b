#include "monitor/process/start_gate.hpp"

#include <utility>

namespace {

constexpr Error kNoAnswer{"InstanceStart", 0, "the process is about to end"};

}  // namespace

Result<std::unique_ptr<StartGate>> StartGate::create() {
    EventFd ordered = TRY(EventFd::create());
    return std::make_unique<StartGate>(Passkey<StartGate>(), std::move(ordered));
}

std::optional<StartGate::Outcome> StartGate::ask(const Order& order) {
    std::unique_lock lock(mutex_);
    outcome_.reset();
    order_.emplace(order);
    ordered_.signal();
    answered_.wait(lock, [this] { return outcome_.has_value() || is_closed_; });
    return std::exchange(outcome_, std::nullopt);
}

Result<RunningVm*> StartGate::start(const Config& config, HostFiles& files) {
    const auto outcome = ask(StartOrder{config, files});
    return outcome.has_value() ? std::get<Result<RunningVm*>>(*outcome) : kNoAnswer;
}

Result<RunningVm*> StartGate::restore(const Config& config, HostFiles& files, AfterRestore after) {
    const auto outcome = ask(StartOrder{config, files, after});
    return outcome.has_value() ? std::get<Result<RunningVm*>>(*outcome) : kNoAnswer;
}

Result<Config> StartGate::read_snapshot(SnapshotFiles& snapshot) {
    auto outcome = ask(ReadOrder{snapshot});
    if (!outcome.has_value()) return kNoAnswer;
    return std::get<Result<Config>>(std::move(*outcome));
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

std::optional<Order> StartGate::take() {
    ordered_.drain();
    const std::lock_guard lock(mutex_);
    if (!order_.has_value()) return {};
    return std::exchange(order_, std::nullopt);
}

void StartGate::answer(const Result<RunningVm*>& outcome) {
    const std::lock_guard lock(mutex_);
    outcome_.emplace(outcome);
    answered_.notify_all();
}

void StartGate::answer_reader(Result<Config> outcome) {
    const std::lock_guard lock(mutex_);
    outcome_.emplace(std::move(outcome));
    answered_.notify_all();
}

void StartGate::close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    answered_.notify_all();
}
