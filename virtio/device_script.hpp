// What the fuzz targets of device types share: the bytes are a script of what a driver does to its
// rings, descriptors and registers, and of when the I/O thread and the kernel get something done,
// and with what result. Fuzz targets only; one thread.
//
// Whatever the driver has done: the loop comes to rest, a device that says Status 0 has nothing in
// flight and leaves guest memory alone, nothing is used that was not offered, and a good driver is
// served afterwards. Or the VM is over in the middle of it: then the device begins nothing more.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/event_fd.hpp"
#include "base/fuzz_script.hpp"
#include "base/io_loop.hpp"
#include "base/log.hpp"
#include "base/memory_engine.hpp"
#include "base/pinned.hpp"
#include "virtio/fake_driver.hpp"
#include "virtio/mmio.hpp"

// One for many inputs, each of which leaves it reset, or spent.
template <typename Device>
struct DeviceWorld {
    static constexpr size_t kRam = 1 << 15;

    // `create`: makes the device on an engine.
    template <typename Create>
    DeviceWorld(size_t file_bytes, Create create)
        : engine(file_bytes),
          device(create(engine)),
          transport(MmioTransport::create("fuzz", *device, ram.memory(), interrupt, window.bytes,
                                          std::chrono::milliseconds{0})
                        .value()) {}

    FakeRam ram{kRam};
    EventFd interrupt = EventFd::create().value();
    FakeWindow window;
    MemoryEngine engine;
    std::unique_ptr<Device> device;
    std::unique_ptr<MmioTransport> transport;
    uint64_t now_ns = 1;
    std::vector<std::byte> before{};  // what RAM held
    bool is_spent = false;            // the device is of no use any more
};

// The world for the next input. `Script` is what becomes of that.
template <typename Script, typename Device, typename Create>
void run_device_script(size_t file_bytes, Create create, std::span<const uint8_t> data) {
    static std::unique_ptr<DeviceWorld<Device>> world;
    if (world == nullptr || world->is_spent) {
        static const LogSettings quiet{.level = LogLevel::kOff};
        set_log(quiet);
        world = std::make_unique<DeviceWorld<Device>>(file_bytes, create);
    }
    Script(*world, data).run();
}

template <typename Device>
class DeviceScript : private Pinned {
public:
    static constexpr uint16_t kSize = 8;

    DeviceScript(DeviceWorld<Device>& world, std::span<const uint8_t> data)
        : world_(world), data_(data) {}
    virtual ~DeviceScript() = default;

    void run() {
        while (!data_.empty()) {
            step(next());
            if (is_over_) return;
            if (driver_.status() == 0) check_rest();
            check_used();
        }
        come_to_rest();
        reset();
        restore();
        start(~uint64_t{0});
        serve_a_good_driver();
        reset();
    }

protected:
    using R = MmioRegister;

    uint8_t next() {
        if (data_.empty()) return 0;
        const uint8_t byte = data_.front();
        data_ = data_.subspan(1);
        return byte;
    }
    uint32_t next_number() {
        const uint32_t low = next();
        if (low < 0x80) return low;
        const uint32_t middle = next();
        return low << 24 | middle << 8 | next();
    }
    uint64_t next_features() {
        uint64_t features = uint64_t{next_number()} << 1;
        features |= uint64_t{next()} << 24;
        return features | uint64_t{next()} << 36;
    }

    // Lays out a request that means something, at most once for each call.
    virtual void offer_a_good_one() = 0;
    // Of the device's own kind, of which there are several: limits, and what happens to its file.
    virtual void step_of_its_own(uint8_t which) = 0;
    // While the driver is lawful: all that was offered is good, and where the device thinks.
    virtual void used(uint16_t queue, const virtq_used_elem& element) = 0;
    virtual void started() = 0;
    virtual void serve_a_good_driver() = 0;
    // Limits and file are as they were at first, as far as they can be.
    virtual void restore() = 0;

    bool start(uint64_t features) {
        reset();
        world_.ram.clear();
        wild_ = world_.ram.allocate(kWildBytes);
        const std::vector<uint16_t> sizes(world_.transport->queue_count(), kSize);
        is_up_ = driver_.start(features & driver_.device_features(), sizes);
        check(is_up_);
        is_lawful_ = is_in_place_ = true;
        offered_.assign(sizes.size(), 0);
        seen_used_.assign(sizes.size(), 0);
        started();
        return is_up_;
    }
    bool is_up() const { return is_up_; }
    bool is_lawful() const { return is_lawful_; }

    void offer(uint16_t queue) {
        if (driver_.queue(queue).offer()) driver_.kick(queue);
        note_offer(queue);
    }

    bool turn() {
        bool was_of_use = driver_.pump();
        was_of_use |= world_.engine.wait(0).value() > 0;
        was_of_use |= world_.device->work(++world_.now_ns);
        return was_of_use;
    }

    // All that can be done without the driver, and with a kernel that does all it is asked.
    void do_all() {
        for (int round = 0; round < kMostRounds; ++round) {
            const bool performs = world_.engine.pending() > 0;
            if (performs) world_.engine.perform(0, ~size_t{0});
            if (!turn() && !performs) return;
            check_used();
        }
    }

    DeviceWorld<Device>& world_;
    FakeDriver driver_{*world_.transport, world_.ram};
    GuestAddress wild_{};  // memory that any descriptor may name

    static constexpr uint32_t kWildBytes = 4096;

private:
    static constexpr int kMostRounds = 1000;
    static constexpr std::array kErrors = {EIO,    ECANCELED, EINTR,  EAGAIN,
                                           ENOSPC, EFAULT,    EINVAL, EOPNOTSUPP};
    static constexpr std::array kRegisters = {
        R::Status,         R::QueueSel,       R::QueueNum,       R::QueueReady,
        R::QueueNotify,    R::QueueReset,     R::QueueDescLow,   R::QueueDescHigh,
        R::DriverFeatures, R::QueueDeviceLow, R::QueueDriverLow, R::InterruptACK};

    void step(uint8_t what) {
        switch (what % 16) {
            case 0:
                start(next_features());
                break;
            case 1:
            case 2:
            case 3:
                if (is_up() && driver_.status() != 0) offer_a_good_one();
                break;
            case 4:
                if (is_up()) offer_a_wild_one();
                break;
            case 5:
                end_one();
                break;
            case 6:
                world_.engine.wait(0).value();
                break;
            case 7:
                world_.device->work(++world_.now_ns);
                break;
            case 8:
                world_.device->before_wait();
                break;
            case 9:
                step_of_its_own(what / 16);
                break;
            case 10:
                write_a_register(kRegisters[next() % kRegisters.size()]);
                break;
            case 11:
                poke();
                break;
            case 12:
                driver_.write(R::Status, 0);
                break;
            case 13:
                world_.now_ns += uint64_t{next()} << 24;
                break;
            default:
                if (what == kOver) return wind_down();
                turn();
                break;
        }
    }

    // The end of the VM: the loop only waits for what is in flight.
    void wind_down() {
        world_.device->wind_down();
        world_.is_spent = is_over_ = true;
        size_t pending = world_.engine.pending();
        while (pending > 0) {
            end_one();
            world_.engine.wait(0).value();
            check(world_.engine.pending() < pending);
            pending = world_.engine.pending();
        }
        world_.engine.wait(0).value();
        check(!world_.device->is_in_flight() && world_.engine.in_flight() == 0);
        check(!world_.device->work(world_.now_ns) && !world_.device->before_wait());
    }

    uint16_t some_queue() {
        return static_cast<uint16_t>(next() % world_.transport->queue_count());
    }

    void write_a_register(R which) {
        // Queues may be set up anywhere now.
        const bool is_harmless = which == R::Status || which == R::QueueNotify ||
                                 which == R::QueueSel || which == R::InterruptACK;
        if (!is_harmless) is_lawful_ = is_in_place_ = false;
        driver_.write(which, next_number());
    }

    void offer_a_wild_one() {
        is_lawful_ = false;
        const uint16_t queue = some_queue();
        for (uint16_t i = 0; i < 3; ++i)
            driver_.queue(queue).set_desc(static_cast<uint16_t>(next() % kSize), wild_desc());
        if (driver_.queue(queue).offer_raw(static_cast<uint16_t>(next() % (kSize + 1U))))
            driver_.kick(queue);
        note_offer(queue);
    }

    // In the memory that is there for it; or where there is none.
    virtq_desc wild_desc() {
        const uint32_t at = next_number();
        const auto flags = static_cast<uint16_t>(next() % 8U);
        const auto after = static_cast<uint16_t>(next() % (kSize + 1U));
        if (at % 8 == 7) return {DeviceWorld<Device>::kRam + at, next_number(), flags, after};
        const uint32_t offset = at % kWildBytes;
        return {wild_.value + offset, next_number() % (kWildBytes - offset + 1), flags, after};
    }

    void end_one() {
        if (world_.engine.pending() == 0) return;
        const size_t index = next() % world_.engine.pending();
        const uint8_t how = next();
        if (how < 128) {
            world_.engine.perform(index, ~size_t{0});
        } else if (how < 192) {
            world_.engine.perform(index, how % 64U * 37U);
        } else {
            world_.engine.fail(index, kErrors[how % kErrors.size()]);
        }
    }

    void poke() {
        if (!is_up()) return;
        const uint16_t queue = some_queue();
        const uint8_t what = next();
        if (what % 4 <= 1) is_lawful_ = false;
        if (what % 4 == 0) {
            const auto idx = static_cast<uint16_t>(next_number());
            driver_.queue(queue).set_avail_idx(idx);
            note_offer(queue);
        } else if (what % 4 == 1) {
            driver_.queue(queue).set_desc(static_cast<uint16_t>(what / 4 % kSize), wild_desc());
        } else {
            world_.ram.store(wild_ + next() * 15U, next_number());
        }
    }

    // The furthest that the driver's index ever was bounds what can be used.
    void note_offer(uint16_t queue) {
        offered_[queue] = std::max(offered_[queue], driver_.queue(queue).avail_idx());
    }

    void check_used() {
        if (!is_up() || !is_in_place_) return;
        for (uint16_t queue = 0; queue < offered_.size(); ++queue) {
            const uint16_t idx = driver_.queue(queue).used_idx();
            check(idx <= offered_[queue]);
            while (seen_used_[queue] != idx) {
                const auto element = driver_.queue(queue).used_element(seen_used_[queue]++);
                check(element.id < kSize);
                if (is_lawful_) used(queue, element);
            }
        }
    }

    // Nothing is left of the driver that there was.
    void check_rest() {
        check(!world_.device->is_in_flight());
        check(world_.engine.in_flight() == 0);
        const std::span<std::byte> ram = world_.ram.bytes();
        world_.before.resize(ram.size());
        std::memcpy(world_.before.data(), ram.data(), ram.size());
        check(!world_.device->work(world_.now_ns));
        check(!world_.device->before_wait());
        check(world_.device->deadline_ns() == IoWorker::kNever);
        check(std::memcmp(world_.before.data(), ram.data(), ram.size()) == 0);
    }

    // What the kernel does not end keeps nobody awake.
    void come_to_rest() {
        for (int round = 0; round < kMostRounds; ++round)
            if (!turn() && !world_.device->before_wait()) return;
        check(false);
    }

    void reset() {
        driver_.write(R::Status, 0);
        driver_.pump();
        while (world_.engine.pending() > 0) world_.engine.fail(0, ECANCELED);
        world_.engine.wait(0).value();
        driver_.pump();
        check(driver_.status() == 0);
        check(driver_.read(R::InterruptStatus) == 0);
        check_rest();
        is_up_ = false;
    }

    static constexpr uint8_t kOver = 0x1f;

    std::span<const uint8_t> data_;
    bool is_over_ = false;  // the VM is
    bool is_up_ = false;
    bool is_lawful_ = false;           // since the start
    bool is_in_place_ = false;         // the device's rings are where the driver's are
    std::vector<uint16_t> offered_;    // by queue
    std::vector<uint16_t> seen_used_;  // by queue
};
