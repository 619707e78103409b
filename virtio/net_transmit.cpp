#include "virtio/net_transmit.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace {

constexpr uint16_t kChainsAhead = 3;  // looked at while one is taken

}  // namespace

Result<std::unique_ptr<NetTransmitter>> NetTransmitter::create(IoEngine& engine, IoFile tap,
                                                               const RateLimiterConfig& limits,
                                                               TapListener& listener,
                                                               NetMetrics& metrics) {
    auto transmitter = std::make_unique<NetTransmitter>(Passkey<NetTransmitter>(), engine, tap,
                                                        limits, listener, metrics);
    TRY(transmitter->join_engine());
    return transmitter;
}

Result<bool> NetTransmitter::serve() {
    bool has_begun = send_kept();
    for (size_t i = 0; i < kFramesPerRound; ++i) {
        const std::optional<uint16_t> head = TRY(queue().pop());
        if (!head.has_value()) {
            if (was_kicked_ && i == 0) metrics_.no_tx_avail_buffer.add();
            break;
        }
        queue().prefetch(kChainsAhead);
        if (!TRY(take(*head))) {
            queue().undo_pop(*head);
            break;
        }
        has_begun = true;
    }
    return has_begun;
}

Result<bool> NetTransmitter::take(uint16_t head) {
    const Chain chain = TRY(Chain::walk(queue(), head, segments_));
    const ReadablePart& part = chain.readable();
    if (part.size_bytes() < kNetHeaderBytes) {
        metrics_.tx_malformed_frames.add();
        return Error{"transmitted frame", EPROTO, "is shorter than its header", part.size_bytes()};
    }
    const uint32_t bytes = part.size_bytes() - kNetHeaderBytes;
    if (const std::optional<uint64_t> later = limiter_.take(bytes, now_ns()); later.has_value()) {
        blocked_until_ns_ = later;
        metrics_.tx_rate_limiter_throttled.add();
        return false;
    }
    if (!has_tap()) {
        metrics_.tx_fails.add();
        has_pushed_ = true;
        TRY(queue().push(head, 0));
        return true;
    }

    const uint16_t slot = take_slot();
    Frame& frame = frames_[slot];
    frame.is_in_flight = true;
    frame.head = head;
    ++frame.generation;
    frame.vectors.resize(part.segments().size());
    TRY(part.gather(0, part.size_bytes(), frame.vectors));
    count(1);
    write(slot);
    return true;
}

bool NetTransmitter::is_unsent(uint16_t slot, int result) const {
    return result == -EAGAIN || was_cancelled(result) ||
           (frames_[slot].waits_for_tap && result > 0);
}

void NetTransmitter::go_on(uint16_t slot, int result) {
    if (!is_held()) return result == -EAGAIN ? wait_for_tap(slot) : write(slot);
    frames_[slot].is_in_flight = false;
    count(-1);
    kept_.push_back(slot);
}

bool NetTransmitter::send_kept() {
    for (const uint16_t slot : kept_) {
        Frame& frame = frames_[slot];
        frame.is_in_flight = true;
        ++frame.generation;
        count(1);
        write(slot);
    }
    return !std::exchange(kept_, {}).empty();
}

void NetTransmitter::forget() {
    free_.insert(free_.end(), kept_.begin(), kept_.end());
    kept_.clear();
}

void NetTransmitter::write(uint16_t slot) {
    Frame& frame = frames_[slot];
    frame.waits_for_tap = false;
    engine_.writev(tap_, frame.vectors, IoEngine::kStream, tag(slot, frame.generation));
}

void NetTransmitter::wait_for_tap(uint16_t slot) {
    Frame& frame = frames_[slot];
    frame.waits_for_tap = true;
    engine_.poll(tap_, POLLOUT, tag(slot, frame.generation));
}

void NetTransmitter::complete(const IoCompletion& completion) {
    const uint16_t slot = completion.tag.slot;
    if (slot >= frames_.size() || !frames_[slot].is_in_flight ||
        frames_[slot].generation != completion.tag.generation)
        return;
    if (is_running() && is_unsent(slot, completion.result)) return go_on(slot, completion.result);
    frames_[slot].is_in_flight = false;
    free_.push_back(slot);
    count(-1);
    if (!is_running()) return end_if_stopped();
    // A frame that the kernel refuses (a header that makes no sense, an interface that is down) is
    // lost, as on a wire.
    if (completion.result < 0) {
        metrics_.tap_write_fails.add();
        metrics_.tx_fails.add();
        is_gone(completion.result);
    } else {
        metrics_.tx_packets_count.add();
        const auto sent = static_cast<uint32_t>(completion.result);
        metrics_.tx_bytes_count.add(sent - std::min(sent, kNetHeaderBytes));
    }
    const Result<> pushed = queue().push(frames_[slot].head, 0);
    has_pushed_ = true;
    if (!pushed.ok()) fail(pushed.error());
}

void NetTransmitter::cancel() {
    for (size_t slot = 0; slot < frames_.size(); ++slot)
        if (frames_[slot].is_in_flight)
            engine_.cancel(tag(static_cast<uint16_t>(slot), frames_[slot].generation));
}

uint16_t NetTransmitter::take_slot() {
    if (free_.empty()) {
        frames_.emplace_back();
        return static_cast<uint16_t>(frames_.size() - 1);
    }
    const uint16_t slot = free_.back();
    free_.pop_back();
    return slot;
}
