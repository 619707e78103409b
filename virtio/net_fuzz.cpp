// virtio-net with any driver and any TAP: see virtio/device_script.hpp. Frames that are received
// fit the buffers that they are in.
#include <sys/mman.h>

#include "virtio/device_script.hpp"
#include "virtio/net.hpp"

namespace {

constexpr size_t kFrame = 300;  // of the TAP, with its header
constexpr uint32_t kLargestFrame = 600;

std::unique_ptr<Net> create(IoEngine& engine) {
    UniqueFd file(::memfd_create("tap", MFD_CLOEXEC));
    return Net::create(Tap::of(std::move(file), kLargestFrame), {.id = "fuzz"}, engine).value();
}

class NetScript final : public DeviceScript<Net> {
public:
    using DeviceScript::DeviceScript;

private:
    void started() override { lengths_ = {}; }

    void offer_a_good_one() override {
        const uint16_t queue = next() % 2;
        const uint32_t first = 1 + next();
        const uint32_t second = kNetHeaderBytes + next();
        lay_out(queue, first, second);
    }

    void lay_out(uint16_t queue, uint32_t first, uint32_t second) {
        if (driver_.queue(queue).free_descriptors() < 2) return;
        const Access access = queue == VIRTIO_NET_RECEIVEQ ? Access::kWritable : Access::kReadable;
        // Buffers overlap: what is in them is not looked at.
        const uint16_t head =
            driver_.queue(queue).add({{wild_, first, access}, {wild_ + 1024, second, access}});
        lengths_[queue][head] = first + second;
        offer(queue);
    }

    void used(uint16_t queue, const virtq_used_elem& element) override {
        const uint32_t length = std::exchange(lengths_[queue][element.id], 0);
        check(length > 0);
        check(queue == VIRTIO_NET_RECEIVEQ ? element.len > 0 && element.len <= length
                                           : element.len == 0);
        driver_.queue(queue).take_used();
    }

    void step_of_its_own(uint8_t which) override {
        if (which == 1) return lose_the_tap();
        const uint64_t rate = next() * 64U;
        const RateLimiterConfig limits{.bandwidth = {rate, 0, 1000}, .ops = {}};
        if (next() % 2 == 0) {
            world_.device->change_receive_limits(limits, world_.now_ns);
        } else {
            world_.device->change_transmit_limits(limits, world_.now_ns);
        }
    }

    // Somebody deletes the interface, or closes what stood for it.
    void lose_the_tap() {
        constexpr std::array kGone = {EBADFD, EBADF, ENODEV};
        const uint8_t which = next();
        if (world_.engine.pending() == 0) return;
        world_.engine.fail(which % world_.engine.pending(), kGone[which / 16 % kGone.size()]);
    }
    bool has_link() {
        return (driver_.read_config<uint16_t>(offsetof(virtio_net_config, status)) &
                VIRTIO_NET_S_LINK_UP) != 0;
    }

    void restore() override {
        world_.device->change_receive_limits({}, world_.now_ns);
        world_.device->change_transmit_limits({}, world_.now_ns);
        if (!has_link()) world_.is_spent = true;
    }

    // What a driver sends goes nowhere, and comes back.
    void serve_without_a_tap() {
        lay_out(VIRTIO_NET_RECEIVEQ, 16, 1000);
        lay_out(VIRTIO_NET_TRANSMITQ, 16, 100);
        do_all();
        check(world_.engine.pending() == 0);
        check(driver_.queue(VIRTIO_NET_TRANSMITQ).used_idx() == 1);
        check(driver_.queue(VIRTIO_NET_RECEIVEQ).used_idx() == 0);
    }

    // The TAP says what it was told last.
    void serve_a_good_driver() override {
        if (!has_link()) return serve_without_a_tap();
        world_.ram.store(wild_ + 1024, uint32_t{0x600d});
        lay_out(VIRTIO_NET_TRANSMITQ, 16, 100);
        do_all();
        check(driver_.queue(VIRTIO_NET_TRANSMITQ).used_idx() == 1);
        world_.ram.store(wild_ + 1024, uint32_t{0});
        lay_out(VIRTIO_NET_RECEIVEQ, 16, 1000);
        world_.device->work(++world_.now_ns);
        check(world_.engine.pending() == 1);
        world_.engine.perform(0, ~size_t{0});
        turn();
        check(driver_.queue(VIRTIO_NET_RECEIVEQ).used_idx() == 1);
        check(driver_.queue(VIRTIO_NET_RECEIVEQ).used_element(0).len == kFrame);
        check(world_.ram.load<uint32_t>(wild_ + 1024) == 0x600d);
        check(world_.ram.load<uint16_t>(wild_ + 10) == 1);
    }

    // By queue and head: what was offered and not used.
    std::array<std::array<uint32_t, kSize>, 2> lengths_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    run_device_script<NetScript, Net>(kFrame, create, {data, size});
    return 0;
}
