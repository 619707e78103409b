#include "virtio/net_queue.hpp"

#include <utility>

Result<> NetQueue::join_engine() {
    target_ = TRY(engine_.add_target(*this));
    return Ok{};
}

void NetQueue::start(Virtqueue queue) {
    segments_.resize(queue.size());
    queue_.emplace(std::move(queue));
    blocked_until_ns_.reset();
}

void NetQueue::stop() {
    is_stopping_ = true;
    cancel();
    end_if_stopped();
}

void NetQueue::wind_down() {
    is_over_ = true;
    cancel();
}

void NetQueue::end_if_stopped() {
    if (!is_stopping_ || in_flight_ > 0) return;
    forget();
    queue_.reset();
    blocked_until_ns_.reset();
    is_stopping_ = false;
    has_pushed_ = false;
    transport_->queue_stopped(index_);
}

void NetQueue::change_limits(const RateLimiterConfig& limits, uint64_t now_ns) {
    limiter_.change(limits, now_ns);
    blocked_until_ns_.reset();
}

void NetQueue::hold(bool holds) {
    is_held_ = holds;
    if (holds) cancel();
}

Result<> NetQueue::set_limits(const RateLimiterState& limits, uint64_t now_ns) {
    limiter_ = TRY(RateLimiter::create(limits, now_ns));
    return Ok{};
}

bool NetQueue::work(uint64_t now_ns) {
    now_ns_ = now_ns;
    if (!is_running()) return false;
    const Result<bool> served = is_held_ ? publish() : serve_and_publish();
    if (served.ok()) return served.value();
    fail(served.error());
    return true;
}

Result<bool> NetQueue::publish() {
    if (!std::exchange(has_pushed_, false)) return false;
    if (TRY(queue_->publish())) transport_->notify_used();
    return true;
}

Result<bool> NetQueue::serve_and_publish() {
    const bool has_published = TRY(publish());
    if (blocked_until_ns_.has_value()) {
        if (now_ns_ < *blocked_until_ns_) return has_published;
        blocked_until_ns_.reset();
        (receives() ? metrics_.rx_event_rate_limiter_count : metrics_.tx_rate_limiter_event_count)
            .add();
    }
    TRY(queue_->disable_kicks());
    const bool has_begun = TRY(serve());
    was_kicked_ = false;
    return has_published || has_begun;
}

bool NetQueue::before_wait() {
    if (!is_running() || is_held_ || blocked_until_ns_.has_value() || !wants_kicks()) return false;
    const Result<bool> has_more = queue_->enable_kicks();
    if (has_more.ok()) return has_more.value();
    fail(has_more.error());
    return false;
}

bool NetQueue::is_gone(int result) {
    // EBADFD: the interface was deleted.
    if (result != -EBADFD && result != -EBADF && result != -ENODEV) return false;
    if (has_tap_) listener_.tap_is_gone(-result);
    return true;
}
