#include "virtio/net_receive.hpp"

#include <poll.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace {

constexpr uint32_t kNumBuffersAt = offsetof(virtio_net_hdr_v1, num_buffers);

}  // namespace

Result<std::unique_ptr<NetReceiver>> NetReceiver::create(IoEngine& engine, IoFile tap,
                                                         const RateLimiterConfig& limits,
                                                         TapListener& listener,
                                                         NetMetrics& metrics) {
    auto receiver = std::make_unique<NetReceiver>(Passkey<NetReceiver>(), engine, tap, limits,
                                                  listener, metrics);
    TRY(receiver->join_engine());
    return receiver;
}

Result<bool> NetReceiver::serve() {
    bool has_begun = false;
    if (!has_tap() || polls_) return has_begun;
    for (uint16_t slot = 0; slot < width(); ++slot) {
        if (reads_[slot].is_in_flight) continue;
        // The size of a frame is known only afterwards: what it took too much is repaid.
        blocked_until_ns_ = limiter_.blocked_until(now_ns());
        if (blocked_until_ns_.has_value()) {
            metrics_.rx_rate_limiter_throttled.add();
            break;
        }
        const bool lacked_room = std::exchange(lacks_room_, !TRY(find_room(reads_[slot])));
        if (lacks_room_) {
            if (!lacked_room) metrics_.no_rx_avail_buffer.add();
            break;
        }
        begin(slot);
        has_begun = true;
    }
    return has_begun;
}

// Gives `read` buffers. False if it is not worth to be begun with those that there are.
Result<bool> NetReceiver::find_room(Read& read) {
    TRY(fill(read));
    if (is_full(read)) return true;
    for (Read& other : reads_)
        if (&other != &read && !other.is_in_flight) take_over(read, other);
    return is_full(read) || (!read.buffers.empty() && !is_reading());
}

void NetReceiver::begin(uint16_t slot) {
    Read& read = reads_[slot];
    read.is_in_flight = true;
    ++read.generation;
    count(1);
    const auto vectors = std::span<const iovec>(read.vectors);
    engine_.readv(tap_, vectors.first(std::min(vectors.size(), kMaxVectors)), IoEngine::kStream,
                  tag(slot, read.generation));
}

bool NetReceiver::wants_kicks() const {
    return has_tap() && !polls_ &&
           !std::ranges::all_of(std::span(reads_).first(width()), &Read::is_in_flight);
}

Result<> NetReceiver::fill(Read& read) {
    while (!is_full(read)) {
        const std::optional<uint16_t> head = TRY(queue().pop());
        if (!head.has_value()) break;
        TRY(add_buffer(read, *head));
    }
    return Ok{};
}

Result<> NetReceiver::add_buffer(Read& read, uint16_t head) {
    const Chain chain = TRY(Chain::walk(queue(), head, segments_));
    const WritablePart& part = chain.writable();
    if (part.size_bytes() < kNetHeaderBytes || chain.readable().size_bytes() != 0)
        return Error{"receive buffer", EPROTO, "has no room for a header, or is readable",
                     part.size_bytes()};
    const size_t before = read.vectors.size();
    read.vectors.resize(before + part.segments().size());
    TRY(part.gather(0, part.size_bytes(), std::span(read.vectors).subspan(before)));
    read.buffers.push_back(
        {.head = head,
         .vectors = static_cast<uint16_t>(part.segments().size()),
         .bytes = part.size_bytes(),
         .num_buffers = {TRY(part.locate(kNumBuffersAt)), TRY(part.locate(kNumBuffersAt + 1))}});
    read.bytes += part.size_bytes();
    return Ok{};
}

void NetReceiver::take_over(Read& to, Read& from) {
    while (!is_full(to) && !from.buffers.empty()) {
        const Buffer& buffer = from.buffers.back();
        if (to.vectors.size() + buffer.vectors > kMaxVectors) return;
        const auto vectors = std::span(from.vectors).last(buffer.vectors);
        to.vectors.insert(to.vectors.end(), vectors.begin(), vectors.end());
        to.buffers.push_back(buffer);
        to.bytes += buffer.bytes;
        from.bytes -= buffer.bytes;
        from.vectors.resize(from.vectors.size() - buffer.vectors);
        from.buffers.pop_back();
    }
}

void NetReceiver::complete(const IoCompletion& completion) {
    const uint16_t slot = completion.tag.slot;
    if (slot == kPollSlot) return complete_poll(completion);
    if (slot > kPollSlot || !reads_[slot].is_in_flight ||
        reads_[slot].generation != completion.tag.generation)
        return;
    Read& read = reads_[slot];
    read.is_in_flight = false;
    count(-1);
    if (!is_running()) return end_if_stopped();
    if (completion.result == -EAGAIN && !polls_ && !is_held()) {
        polls_ = true;
        frames_in_a_row_ = 0;
        count(1);
        engine_.poll(tap_, POLLIN, tag(kPollSlot, ++poll_generation_));
    }
    // EFAULT: a frame that was larger than the buffers, which the kernel has dropped; or a TAP
    // that is going away, as the next read will say.
    if (completion.result <= 0) {
        count_failed(completion.result);
        is_gone(completion.result);
        return;
    }
    const auto bytes = static_cast<uint32_t>(completion.result);
    if (bytes < kNetHeaderBytes || bytes > read.bytes) return metrics_.rx_fails.add();
    if (frames_in_a_row_ < kReads) ++frames_in_a_row_;
    limiter_.charge(bytes - kNetHeaderBytes, now_ns());
    const Result<> done = hand_over(read, bytes);
    if (!done.ok()) {
        metrics_.rx_fails.add();
        return fail(done.error());
    }
    metrics_.rx_packets_count.add();
    metrics_.rx_bytes_count.add(bytes - kNetHeaderBytes);
}

void NetReceiver::count_failed(int result) {
    if (result == -EAGAIN || was_cancelled(result)) return;  // nothing there
    (result == -EFAULT ? metrics_.rx_fails : metrics_.tap_read_fails).add();
}

void NetReceiver::complete_poll(const IoCompletion& completion) {
    if (!polls_ || completion.tag.generation != poll_generation_) return;
    polls_ = false;
    count(-1);
    if (!is_running()) return end_if_stopped();
    if (was_cancelled(completion.result)) return;
    metrics_.rx_tap_event_count.add();
    is_gone(completion.result);  // otherwise a read will tell
}

bool NetReceiver::is_reading() const {
    return std::ranges::any_of(reads_, &Read::is_in_flight);
}

// The first buffers of `read` hold a frame of `bytes`, with its header: the driver gets them.
Result<> NetReceiver::hand_over(Read& read, uint32_t bytes) {
    uint32_t left = bytes;
    size_t buffers = 0;
    size_t vectors = 0;
    for (; left > 0; ++buffers) {
        const Buffer& buffer = read.buffers[buffers];
        const uint32_t here = std::min(buffer.bytes, left);
        TRY(queue().push(buffer.head, here));
        vectors += buffer.vectors;
        read.bytes -= buffer.bytes;
        left -= here;
    }
    // §5.1.6.4.1: "the device MUST set num_buffers", to 1 where buffers are not merged.
    const auto& [low, high] = read.buffers.front().num_buffers;
    TRY(queue().memory().write(low, static_cast<uint8_t>(buffers)));
    TRY(queue().memory().write(high, static_cast<uint8_t>(buffers >> 8)));
    has_pushed_ = true;
    read.buffers.erase(read.buffers.begin(),
                       read.buffers.begin() + static_cast<ptrdiff_t>(buffers));
    read.vectors.erase(read.vectors.begin(),
                       read.vectors.begin() + static_cast<ptrdiff_t>(vectors));
    return Ok{};
}

void NetReceiver::cancel() {
    for (uint16_t slot = 0; slot < kReads; ++slot)
        if (reads_[slot].is_in_flight) engine_.cancel(tag(slot, reads_[slot].generation));
    if (polls_) engine_.cancel(tag(kPollSlot, poll_generation_));
}

void NetReceiver::forget() {
    for (Read& read : reads_) {
        read.bytes = 0;
        read.buffers.clear();
        read.vectors.clear();
    }
}
