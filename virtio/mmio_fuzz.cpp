// The bytes are a script of register accesses, of writes to guest RAM, and of moments in which the
// I/O thread or the kernel gets something done. Whatever the guest has done: a device that says
// Status 0 has let go of every queue, a reset comes to an end, and then a good driver is served.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "virtio/fake_device.hpp"
#include "virtio/fake_driver.hpp"
#include "virtio/mmio.hpp"

namespace {

using R = MmioRegister;

constexpr uint16_t kSize = 8;
constexpr std::array kRegisters = {R::Status,         R::QueueSel,         R::QueueNum,
                                   R::QueueReady,     R::QueueNotify,      R::QueueReset,
                                   R::QueueDescLow,   R::QueueDescHigh,    R::QueueDriverLow,
                                   R::QueueDeviceLow, R::DriverFeatures,   R::DriverFeaturesSel,
                                   R::InterruptACK,   R::DeviceFeaturesSel};

void check(bool holds) {
    if (!holds) __builtin_trap();
}

// One machine for all inputs, so that complaints are few; each input leaves it reset.
struct World {
    FakeRam ram{1 << 14};
    EventFd interrupt = EventFd::create().value();
    FakeDevice device;
    FakeWindow window;
    std::unique_ptr<MmioTransport> transport =
        MmioTransport::create("fuzz", device, ram.memory(), interrupt, window.bytes,
                              std::chrono::milliseconds{0})
            .value();
};

class Script {
public:
    Script(World& world, std::span<const uint8_t> data) : world_(world), data_(data) {}

    void run() {
        while (!data_.empty()) step(next());
        save();
        reset();
        serve_a_good_driver();
        reset();
    }

private:
    uint8_t next() {
        if (data_.empty()) return 0;
        const uint8_t byte = data_.front();
        data_ = data_.subspan(1);
        return byte;
    }
    uint32_t next_number() {
        const uint32_t low = next();
        return low < 0x80 ? low : low << 24 | static_cast<uint32_t>(next() << 8) | next();
    }

    void step(uint8_t what) {
        switch (what % 16) {
            case 0:
            case 1:
            case 2:
                driver_.write(kRegisters[next() % kRegisters.size()], next_number());
                break;
            case 3:
                driver_.add_status(static_cast<uint8_t>(next()));
                break;
            case 4:
                raw_access();
                break;
            case 5:
                world_.ram.store(GuestAddress{next() * 16U + next() % 16U}, next_number());
                break;
            case 6:
                world_.device.holds = !world_.device.holds;
                break;
            case 7:
                world_.device.complete(next() % 2);
                break;
            case 8:
                world_.transport->set_config(std::array{static_cast<std::byte>(what)});
                break;
            case 9:  // a good start, for what comes then
                world_.ram.clear();
                start();
                break;
            case 10:
                offer(next() % 2);
                break;
            case 11:
                if (queues_up())
                    driver_.queue(next() % 2).set_avail_idx(static_cast<uint16_t>(next_number()));
                break;
            default:
                driver_.pump();
                break;
        }
        if (driver_.status() == 0) check(!world_.device.runs(0) && !world_.device.runs(1));
    }

    void raw_access() {
        std::array<std::byte, 8> bytes{};
        const std::span some = std::span(bytes).first(next() % 9);
        const uint64_t offset = next_number();
        world_.transport->read(offset, some);
        bytes[0] = static_cast<std::byte>(next());
        world_.transport->write(offset, some);
    }

    bool start() {
        is_up_ = driver_.start(feature(VIRTIO_F_RING_RESET) | feature(VIRTIO_F_INDIRECT_DESC),
                               {kSize, kSize});
        return is_up_;
    }
    bool queues_up() const { return is_up_; }

    // Any descriptors, with a chain of the guest's making or of the script's.
    void offer(uint16_t index) {
        if (!queues_up()) return;
        FakeQueue& queue = driver_.queue(index);
        for (uint16_t i = 0; i < 3; ++i)
            queue.set_desc(i, {next_number(), next_number(), static_cast<uint16_t>(next() % 8U),
                               static_cast<uint16_t>(next() % (kSize + 1U))});
        if (queue.offer_raw(static_cast<uint16_t>(next() % (kSize + 1U)))) driver_.kick(index);
    }

    // What is saved makes another one that shows a driver the same.
    void save() {
        const auto state = world_.transport->save();
        if (!state.ok()) return check(state.error().code == EBUSY);
        FakeDevice device;
        FakeWindow window;
        const auto made =
            MmioTransport::create("fuzz", device, world_.ram.memory(), world_.interrupt,
                                  window.bytes, std::chrono::milliseconds{0}, state.value());
        check(made.ok());
        // The configuration behind it may have changed.
        constexpr auto kRegisterBytes = static_cast<size_t>(R::ConfigGeneration);
        check(std::ranges::equal(std::span(window.bytes).first(kRegisterBytes),
                                 std::span(world_.window.bytes).first(kRegisterBytes)));
    }

    void reset() {
        driver_.write(R::Status, 0);
        driver_.pump();
        world_.device.complete(0);
        world_.device.complete(1);
        driver_.pump();
        check(driver_.status() == 0);
        check(driver_.read(R::InterruptStatus) == 0);
    }

    void serve_a_good_driver() {
        world_.device.holds = false;
        world_.ram.clear();
        check(start());
        for (const uint16_t index : {uint16_t{0}, uint16_t{1}}) {
            const GuestAddress out = world_.ram.allocate(4);
            const GuestAddress in = world_.ram.allocate(4);
            world_.ram.store(out, uint32_t{0x600d});
            const uint16_t head =
                driver_.submit_indirect(index, {{out, 4}, {in, 4, Access::kWritable}});
            driver_.pump();
            const auto used = driver_.queue(index).take_used();
            check(used.has_value() && used->id == head && used->len == 4);
            check(world_.ram.load<uint32_t>(in) == 0x600d);
        }
    }

    World& world_;
    std::span<const uint8_t> data_;
    FakeDriver driver_{*world_.transport, world_.ram};
    bool is_up_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static World world;
    Script(world, {data, size}).run();
    return 0;
}
