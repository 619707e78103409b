// The bytes are a script: what a driver writes anywhere in a queue's rings, and what a device does
// meanwhile. Whatever is there, pop() gives heads that a device can rely on, the used ring is the
// only thing written, and it says what the device pushed.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "virtio/fake_driver.hpp"
#include "virtio/virtqueue.hpp"

namespace {

constexpr uint16_t kSize = 8;
constexpr uint64_t kUsedBytes = VIRTQ_USED_RING + uint64_t{8} * kSize + 2;

void check(bool holds) {
    if (!holds) __builtin_trap();
}

class Script {
public:
    Script(FakeRam& ram, std::span<const uint8_t> data)
        : ram_(ram),
          data_(data),
          features_(feature(next() & 1 ? VIRTIO_F_EVENT_IDX : VIRTIO_F_INDIRECT_DESC)),
          queue_(ram, kSize, features_),
          position_{next_word(), 0} {
        position_.next_used = position_.next_avail;
        device_.emplace(
            Virtqueue::create(ram.memory(), queue_.layout(), features_, {position_, {}}).value());
    }

    void run() {
        while (!data_.empty()) step(next());
        while (!out_.empty()) push(0);
        publish();
    }

private:
    uint8_t next() {
        if (data_.empty()) return 0;
        const uint8_t byte = data_.front();
        data_ = data_.subspan(1);
        return byte;
    }
    uint16_t next_word() {
        const uint16_t low = next();
        return static_cast<uint16_t>(low | next() << 8);
    }

    void step(uint8_t what) {
        if (what == 0xff) return restart();
        switch (what % 12) {
            case 0:
                return queue_.set_avail_idx(next_word());
            case 1:  // a small step forward, as a driver's
                return queue_.set_avail_idx(static_cast<uint16_t>(queue_.avail_idx() + next() % 4));
            case 2:
                return queue_.set_avail_entry(next(), next_word());
            case 3:
                return queue_.set_avail_entry(next(), next() % kSize);
            case 4:
                return queue_.set_avail_flags(next_word());
            case 5:
                return queue_.set_used_event(next_word());
            case 6:
                return scribble_on_used_ring();
            case 7:
                return push(next());
            case 8:
                return publish();
            case 9:
                return kicks(next());
            case 10:
                return undo();
            default:
                return pop();
        }
    }

    void scribble_on_used_ring() {
        const GuestAddress at = queue_.layout().device + next() % (kUsedBytes - 2);
        ram_.store(at, next_word());
        knows_used_idx_ = false;
    }

    void pop() {
        const auto before = queue_.avail_idx();
        const auto head = device_->pop();
        check(queue_.avail_idx() == before);
        if (!head.ok()) return check(head.error().code == EPROTO);
        if (!head.value().has_value()) return;
        check(*head.value() < kSize && out_.size() < kSize);
        for (const uint16_t other : out_) check(other != *head.value());
        out_.push_back(*head.value());
        check(device_->in_flight() == out_.size());
        can_undo_ = true;
    }

    void undo() {
        if (!can_undo_) return;
        device_->undo_pop(out_.back());
        out_.pop_back();
        can_undo_ = false;
    }

    // Another device goes on where this one stands.
    void restart() {
        publish();
        const VirtqueueState state = device_->save();
        check(state.out == out_ && state.position == device_->position());
        device_.emplace(
            Virtqueue::create(ram_.memory(), queue_.layout(), features_, state).value());
        for (const uint16_t head : out_) check(device_->pop().value() == head);
        check(device_->save() == state);
        can_undo_ = false;
    }

    void push(uint8_t which) {
        if (out_.empty()) return;
        can_undo_ = false;
        const size_t at = which % out_.size();
        check(device_->push(out_[at], which).ok());
        const uint16_t used = static_cast<uint16_t>(device_->position().next_used - 1);
        check(queue_.used_element(used).id == out_[at] && queue_.used_element(used).len == which);
        out_.erase(out_.begin() + static_cast<ptrdiff_t>(at));
        ++unpublished_;
    }

    void publish() {
        const uint16_t before = queue_.used_idx();
        const bool wanted = device_->publish().value();
        if (unpublished_ == 0) {
            check(!wanted && queue_.used_idx() == before);
        } else {
            check(queue_.used_idx() == device_->position().next_used);
            check(!knows_used_idx_ ||
                  static_cast<uint16_t>(queue_.used_idx() - before) == unpublished_);
            knows_used_idx_ = true;
        }
        unpublished_ = 0;
    }

    void kicks(uint8_t want) {
        if (want % 2 == 0) return check(device_->disable_kicks().ok());
        const auto more = device_->enable_kicks();
        if (!more.ok()) return check(more.error().code == EPROTO);
        check(more.value() == (queue_.avail_idx() != device_->position().next_avail));
    }

    FakeRam& ram_;
    std::span<const uint8_t> data_;
    uint64_t features_;
    FakeQueue queue_;
    VirtqueuePosition position_;
    std::optional<Virtqueue> device_;

    std::vector<uint16_t> out_;  // popped, not pushed
    uint16_t unpublished_ = 0;
    bool knows_used_idx_ = false;  // what the device published last is still there
    bool can_undo_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static FakeRam ram(1 << 12);
    ram.clear();
    Script(ram, {data, size}).run();
    return 0;
}
