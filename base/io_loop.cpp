#include "base/io_loop.hpp"

#include <poll.h>
#include <sched.h>

#include <algorithm>

#include "base/monotonic_clock.hpp"

IoPolling polling_for_this_process() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    // More processors than the set has room for are more than one.
    if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return IoPolling::kAdaptive;
    return CPU_COUNT(&allowed) > 1 ? IoPolling::kAdaptive : IoPolling::kNever;
}

Result<std::unique_ptr<IoLoop>> IoLoop::create(std::unique_ptr<IoEngine> engine,
                                               IoPolling polling) {
    EventFd stop = TRY(EventFd::create());
    auto loop =
        std::make_unique<IoLoop>(Passkey<IoLoop>(), std::move(engine), std::move(stop), polling);
    loop->target_ = TRY(loop->engine_->add_target(*loop));
    TRY(loop->on_event(loop->stop_, [raw = loop.get()] { raw->is_stopping_ = true; }));
    return loop;
}

Result<> IoLoop::on_event(const EventFd& event, Handler handler) {
    const IoFile file = TRY(engine_->add_file(event.fd()));
    watches_.push_back({&event, file, std::move(handler)});
    return Ok{};
}

void IoLoop::arm(uint16_t watch) {
    engine_->poll_multishot(watches_[watch].file, POLLIN, {.target = target_, .slot = watch});
}

void IoLoop::complete(const IoCompletion& completion) {
    const uint16_t index = completion.tag.slot;
    Watch& watch = watches_[index];
    // Armed before it is drained or handled: a signal in between is then seen by one of the two.
    if (!completion.more && !is_stopping_) arm(index);
    // One system call less for each kick, where the next signal is reported anyway.
    if (!engine_->repeats_polls() || watch.event->drain()) watch.handler();
}

bool IoLoop::work(uint64_t now) {
    bool was_of_use = false;
    for (IoWorker* const worker : workers_) was_of_use |= worker->work(now);
    return was_of_use;
}

bool IoLoop::before_wait() {
    bool has_work = false;
    for (IoWorker* const worker : workers_) has_work |= worker->before_wait();
    return has_work;
}

uint64_t IoLoop::deadline_ns() const {
    uint64_t earliest = IoWorker::kNever;
    for (const IoWorker* const worker : workers_)
        earliest = std::min(earliest, worker->deadline_ns());
    return earliest;
}

Result<> IoLoop::run() {
    for (size_t i = 0; i < watches_.size(); ++i) arm(static_cast<uint16_t>(i));
    uint64_t poll_until_ns = 0;
    while (!is_stopping_) {
        const bool completed = TRY(engine_->wait(0)) > 0;
        const uint64_t now = monotonic_ns();
        const bool was_of_use = work(now);
        if (was_of_use || completed) {
            poll_until_ns = now + window_ns_;
        } else if (now >= poll_until_ns) {
            // Polled in vain; after a wait, `now` is far beyond.
            if (window_ns_ > 0 && now < poll_until_ns + kMaxWindowNs)
                window_ns_ = window_ns_ / 2 < kMinWindowNs ? 0 : window_ns_ / 2;
            if (!before_wait()) TRY(wait_for_work(now));
        }
    }
    return wind_down();
}

// Waits, and learns from how long it took whether polling would have been better.
Result<> IoLoop::wait_for_work(uint64_t now) {
    const uint64_t deadline = deadline_ns();
    uint64_t timeout = IoEngine::kForever;
    if (deadline != IoWorker::kNever) timeout = deadline > now ? deadline - now : 0;
    const bool completed = TRY(engine_->wait(timeout)) > 0;
    if (polling_ == IoPolling::kAdaptive && completed && monotonic_ns() - now < kMaxWindowNs)
        window_ns_ = std::clamp(window_ns_ * 2, kMinWindowNs, kMaxWindowNs);
    return Ok{};
}

Result<> IoLoop::wind_down() {
    for (IoWorker* const worker : workers_) worker->wind_down();
    const uint64_t give_up_ns = monotonic_ns() + kPatienceNs;
    while (std::ranges::any_of(workers_, &IoWorker::is_in_flight)) {
        const uint64_t now = monotonic_ns();
        if (now >= give_up_ns)
            return Error{"I/O", ETIMEDOUT, "a disk or TAP does not give its requests back"};
        TRY(engine_->wait(give_up_ns - now));
    }
    return Ok{};
}
