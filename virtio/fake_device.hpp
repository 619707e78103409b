// A device for tests of the transport: it answers every chain with a copy of its readable part, at
// once or when the test says so. Tests and fuzz targets only. I/O thread, as any device.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "virtio/chain.hpp"
#include "virtio/device.hpp"
#include "virtio/spec.hpp"

class FakeDevice final : public VirtioDevice {
public:
    static constexpr uint32_t kId = 42;
    static constexpr unsigned kFeature = 5;  // offered
    static constexpr uint16_t kQueueSize = 256;

    uint32_t device_id() const override { return kId; }
    uint64_t offered_features() const override { return offers; }
    std::span<const uint16_t> max_queue_sizes() const override { return kMaxSizes; }
    std::span<const std::byte> config() const override { return config_bytes; }
    void attach(VirtioTransport& transport) override { transport_ = &transport; }

    Result<> activate(uint64_t features) override {
        ++activations;
        activated_features = features;
        if (fails_to_activate) return Error{"fake", EIO};
        return Ok{};
    }

    void start_queue(uint16_t index, Virtqueue queue) override {
        if (queues_.at(index).virtqueue.has_value()) __builtin_trap();
        queues_[index].virtqueue.emplace(std::move(queue));
    }

    void on_kick(uint16_t index) override {
        ++kicks;
        const Result<> done = answer_all(index);
        if (!done.ok()) transport_->fail(done.error());
    }

    VirtqueueState save_queue(uint16_t index) const override {
        return queues_.at(index).virtqueue->save();
    }

    void stop_queue(uint16_t index) override {
        ++stops;
        queues_[index].stopping = true;
        if (queues_[index].held.empty()) end(index);
    }

    // Ends what was held on queue `index`, as the kernel would end requests.
    void complete(uint16_t index) {
        Queue& queue = queues_[index];
        for (const uint16_t head : queue.held)
            if (!queue.stopping && !transport_->has_failed())
                if (!queue.virtqueue->push(head, 0).ok()) __builtin_trap();
        queue.held.clear();
        if (queue.stopping) {
            end(index);
        } else if (queue.virtqueue.has_value() && !transport_->has_failed()) {
            publish(*queue.virtqueue);
        }
    }

    bool runs(uint16_t index) const { return queues_[index].virtqueue.has_value(); }
    size_t held(uint16_t index) const { return queues_[index].held.size(); }

    // What the test may set: keep chains in flight; refuse the driver.
    bool holds = false;
    bool fails_to_activate = false;
    uint64_t offers = feature(kFeature);
    std::array<std::byte, 6> config_bytes{std::byte{1}, std::byte{2}, std::byte{3},
                                          std::byte{4}, std::byte{5}, std::byte{6}};
    // What it may ask.
    int activations = 0;
    int kicks = 0;
    int stops = 0;
    uint64_t activated_features = 0;

private:
    struct Queue {
        std::optional<Virtqueue> virtqueue;
        std::vector<uint16_t> held;
        bool stopping = false;
    };

    void end(uint16_t index) {
        queues_[index] = {};
        transport_->queue_stopped(index);
    }

    Result<> answer_all(uint16_t index) {
        Queue& queue = queues_[index];
        do {
            TRY(queue.virtqueue->disable_kicks());
            while (const std::optional<uint16_t> head = TRY(queue.virtqueue->pop())) {
                const Chain chain = TRY(Chain::walk(*queue.virtqueue, *head, segments_));
                if (holds) {
                    queue.held.push_back(*head);
                } else {
                    TRY(queue.virtqueue->push(*head, TRY(answer(chain))));
                }
            }
        } while (TRY(queue.virtqueue->enable_kicks()));
        publish(*queue.virtqueue);
        return Ok{};
    }

    static Result<uint32_t> answer(const Chain& chain) {
        std::array<std::byte, 64> bytes{};
        const uint32_t length =
            std::min({chain.readable().size_bytes(), chain.writable().size_bytes(), 64U});
        TRY(chain.readable().copy_out(0, std::span(bytes).first(length)));
        TRY(chain.writable().copy_in(0, std::span(bytes).first(length)));
        return length;
    }

    void publish(Virtqueue& virtqueue) {
        const Result<bool> wanted = virtqueue.publish();
        if (!wanted.ok()) return transport_->fail(wanted.error());
        if (wanted.value()) transport_->notify_used();
    }

    static constexpr std::array<uint16_t, 2> kMaxSizes{kQueueSize, kQueueSize};
    VirtioTransport* transport_ = nullptr;
    std::array<Queue, 2> queues_;
    std::array<Segment, kQueueSize> segments_{};
};
