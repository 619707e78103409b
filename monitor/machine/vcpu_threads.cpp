#include "monitor/machine/vcpu_threads.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "monitor/machine/signals.hpp"

VcpuThreads::VcpuThreads(Passkey<VcpuThreads> /*key*/, Surroundings surroundings, uint32_t count)
    : surroundings_(std::move(surroundings)),
      names_(count),
      vcpus_(count),
      not_ready_(count),
      is_paused_(surroundings_.first == AfterRestore::kPaused) {
    for (uint32_t id = 0; id < count; ++id) {
        Name& name = names_[id];
        char* const last = name.data() + name.size() - 1;
        char* const number = std::ranges::copy(surroundings_.name, name.data()).out;
        std::to_chars(number, last, id);
    }
}

Result<std::unique_ptr<VcpuThreads>> VcpuThreads::start(Surroundings surroundings, uint32_t count) {
    auto vcpus =
        std::make_unique<VcpuThreads>(Passkey<VcpuThreads>(), std::move(surroundings), count);
    vcpus->threads_.reserve(count);
    VcpuThreads& self = *vcpus;
    self.threads_.push_back(TRY(
        self.surroundings_.blank.run_boot_vcpu(self.names_[0].data(), [&self] { self.live(0); })));
    for (uint32_t id = 1; id < count; ++id)
        self.threads_.push_back(
            TRY(Thread::start(self.names_[id].data(), [&self, id] { self.live(id); })));
    return vcpus;
}

Result<> VcpuThreads::wait_until_running() {
    std::unique_lock lock(mutex_);
    do running_.wait_for(lock, kHeadStart, [this] { return has_exited_ || error_.has_value(); });
    while (!may_run() && !error_.has_value());
    if (error_.has_value()) return *error_;
    return Ok{};
}

Result<> VcpuThreads::wait_until_ready() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return not_ready_ == 0 || error_.has_value(); });
    if (error_.has_value()) return *error_;
    return Ok{};
}

Result<> VcpuThreads::wait_for_all_but_main() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock,
                [this] { return (not_ready_ == 0 && not_confined_ == 1) || error_.has_value(); });
    if (error_.has_value()) return *error_;
    return Ok{};
}

void VcpuThreads::note_confined() {
    const std::lock_guard lock(mutex_);
    --not_confined_;
    ready_.notify_all();
}

void VcpuThreads::note_exit() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(has_exited_, true)) return;
    running_.notify_all();
}

void VcpuThreads::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_stopped_ = true;
        for (const auto& vcpu : vcpus_)
            if (vcpu.has_value()) vcpu->stop();
        ready_.notify_all();
        pause_changed_.notify_all();
    }
    for (const Thread& thread : threads_) thread.kill(vcpu_kick_signal());
    threads_.clear();
}

void VcpuThreads::pause() {
    std::unique_lock lock(mutex_);
    is_paused_ = true;
    for (const auto& vcpu : vcpus_)
        if (vcpu.has_value()) vcpu->stop();
    for (const Thread& thread : threads_) thread.kill(vcpu_kick_signal());
    pause_changed_.wait(lock, [this] { return paused_ == alive_ || is_stopped_; });
}

void VcpuThreads::resume() {
    const std::lock_guard lock(mutex_);
    is_paused_ = false;
    pause_changed_.notify_all();
}

Result<std::vector<VcpuState>> VcpuThreads::save(size_t xsave_bytes) {
    std::vector<VcpuState> states;
    for (size_t id = 0; id < vcpus_.size(); ++id)
        states.push_back(vcpu_state_with_room(xsave_bytes));
    std::unique_lock lock(mutex_);
    if (!is_paused_ || is_stopped_ || paused_ != vcpus_.size())
        return Error{"vCPU", 0, "has ended, or was not paused", paused_};
    save_error_.reset();
    save_to_.clear();
    for (VcpuState& state : states) save_to_.push_back(&state);
    not_saved_ = static_cast<uint32_t>(states.size());
    pause_changed_.notify_all();
    // Each of them waits for the lock or a change: whoever stops them meanwhile, this comes first.
    pause_changed_.wait(lock, [this] { return not_saved_ == 0; });
    if (save_error_.has_value()) return *save_error_;
    align_time_stamps(states);
    return states;
}

void VcpuThreads::save_one(uint32_t id, std::unique_lock<std::mutex>& lock) {
    VcpuState& state = *std::exchange(save_to_[id], nullptr);
    lock.unlock();
    const Result<> saved = save_vcpu(*vcpus_[id], state);
    lock.lock();
    if (!saved.ok() && !save_error_.has_value()) save_error_ = saved.error();
    if (--not_saved_ == 0) pause_changed_.notify_all();
}

bool VcpuThreads::wait_for_resume(uint32_t id) {
    std::unique_lock lock(mutex_);
    if (!is_paused_ || is_stopped_) return false;
    const Vcpu& vcpu = *vcpus_[id];
    vcpu.note_pause();
    ++paused_;
    pause_changed_.notify_all();
    const auto is_to_save = [this, id] { return not_saved_ != 0 && save_to_[id] != nullptr; };
    while (is_paused_ && !is_stopped_) {
        pause_changed_.wait(lock, [&] { return is_to_save() || !is_paused_ || is_stopped_; });
        if (is_to_save()) save_one(id, lock);
    }
    --paused_;
    // With the lock held: a stop() or pause() that follows is not undone.
    if (!is_stopped_) vcpu.let_run();
    return !is_stopped_;
}

void VcpuThreads::note_end() {
    const std::lock_guard lock(mutex_);
    --alive_;
    pause_changed_.notify_all();
}

void VcpuThreads::live(uint32_t id) {
    const Result<> ready = make_ready(id);
    if (!ready.ok()) return give_up(ready.error());
    if (!wait_for_others()) return;
    run(id);
    note_end();
}

void VcpuThreads::run(uint32_t id) {
    Vcpu& vcpu = *vcpus_[id];
    RunEnd end = vcpu.run_until_exit(surroundings_.accesses);
    note_exit();
    while (end == RunEnd::kNone ||
           (end == RunEnd::kStopped && !surroundings_.accesses.has_ended() && wait_for_resume(id)))
        end = vcpu.run(surroundings_.accesses);
    if (end != RunEnd::kCrashed) return;
    surroundings_.metrics.failures.add();
    surroundings_.ending.report({.cause = Ending::Cause::kCrash, .crash = vcpu.crash()});
}

Result<> VcpuThreads::make_ready(uint32_t id) {
    Vcpu vcpu = TRY(surroundings_.make(id));
    const std::lock_guard lock(mutex_);
    if (is_paused_) vcpu.stop();
    vcpus_[id].emplace(std::move(vcpu));
    return Ok{};
}

void VcpuThreads::give_up(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_.has_value()) error_ = error;
    ready_.notify_all();
    running_.notify_all();
}

// The boot vCPU wakes the others, which an interrupt to a vCPU that is not there would not do.
bool VcpuThreads::wait_for_others() {
    {
        const std::lock_guard lock(mutex_);
        ++alive_;
        if (--not_ready_ == 0) surroundings_.timeline.mark(Stage::kCpu);
    }
    ready_.notify_all();  // who wakes up wants the lock
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return may_run() || error_.has_value() || is_stopped_; });
    return may_run() && !error_.has_value() && !is_stopped_;
}
