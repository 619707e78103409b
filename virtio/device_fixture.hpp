// The fixture of tests that run a device type on both I/O engines: guest RAM, an engine, devices in
// their register windows with a driver each, and the rounds of an I/O thread, one at a time. Tests
// only; one thread.
//
//     auto disk = plug(Block::create(...).value());
//     ASSERT_TRUE(engine_->start().ok());
//     ASSERT_TRUE(disk->driver.start(features, {64}));
//     disk->driver.submit(0, {...});
//     run_until([&] { return disk->driver.queue(0).used_idx() == 1; });
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/event_fd.hpp"
#include "base/io_engine_fixture.hpp"
#include "base/io_loop.hpp"
#include "base/scripted_engine.hpp"
#include "virtio/fake_driver.hpp"
#include "virtio/mmio.hpp"

// A device in its register window, and the driver that sees it.
template <typename Device>
struct Plugged {
    Plugged(std::unique_ptr<Device> what, FakeRam& ram)
        : device(std::move(what)),
          transport(MmioTransport::create("fake", *device, ram.memory(), interrupt, window.bytes,
                                          std::chrono::milliseconds{0})
                        .value()),
          driver(*transport, ram) {}
    // In the place of the device that `other` had and whose state it is.
    Plugged(std::unique_ptr<Device> what, FakeRam& ram, const MmioTransportState& state,
            const FakeDriver& other)
        : device(std::move(what)),
          transport(MmioTransport::create("fake", *device, ram.memory(), interrupt, window.bytes,
                                          std::chrono::milliseconds{0}, state)
                        .value()),
          driver(other, *transport) {}

    // Interrupts since this was asked last.
    uint64_t interrupts() const {
        uint64_t count = 0;
        return ::read(interrupt.fd(), &count, sizeof(count)) == sizeof(count) ? count : 0;
    }

    EventFd interrupt = EventFd::create().value();
    FakeWindow window;
    std::unique_ptr<Device> device;
    std::unique_ptr<MmioTransport> transport;
    FakeDriver driver;
};

class DeviceTest : public testing::TestWithParam<Kind> {
protected:
    static constexpr size_t kRam = 8 << 20;
    static constexpr int kMostRounds = 20'000;
    static constexpr uint64_t kMillisecond = 1'000'000;
    static constexpr uint64_t kSecond = 1000 * kMillisecond;

    void SetUp() override {
        std::string why_not;
        std::unique_ptr<IoEngine> engine =
            create_engine(GetParam(), why_not, RingFiles::kReplaceable);
        if (engine == nullptr) GTEST_SKIP() << why_not;
        engine_ = std::make_unique<ScriptedEngine>(std::move(engine));
    }

    // Ends what the kernel still does to the test's memory.
    void TearDown() override {
        if (engine_ == nullptr) return;
        engine_->holds = false;
        engine_->answer = nullptr;
        engine_->release();
        for (const Place& place : places_) place.worker->wind_down();
        for (int round = 0; round < kMostRounds && engine_->in_flight() > 0; ++round)
            ASSERT_TRUE(engine_->wait(kMillisecond).ok());
        EXPECT_EQ(engine_->in_flight(), 0U);
    }

    // From now on turn() runs the device too. Before the engine starts.
    template <typename Device, typename... Rest>
    std::unique_ptr<Plugged<Device>> plug(std::unique_ptr<Device> device, const Rest&... rest) {
        auto plugged = std::make_unique<Plugged<Device>>(std::move(device), ram_, rest...);
        places_.push_back({&plugged->driver, plugged->device.get()});
        return plugged;
    }

    // Another host's engine, and none of the devices.
    void move_on() {
        DeviceTest::TearDown();
        places_.clear();
        DeviceTest::SetUp();
    }

    // One round of the I/O loop, without its waits. True if it was of use.
    bool turn() {
        bool was_of_use = false;
        for (const Place& place : places_) was_of_use |= place.driver->pump();
        const auto delivered = engine_->wait(0);
        EXPECT_TRUE(delivered.ok());
        was_of_use |= delivered.ok() && delivered.value() > 0;
        for (const Place& place : places_) was_of_use |= place.worker->work(now_ns_);
        return was_of_use;
    }

    // Rounds until `is_done`, with short sleeps where the kernel takes its time.
    template <typename Predicate>
    void run_until(Predicate is_done) {
        for (int round = 0; round < kMostRounds; ++round) {
            if (is_done()) return;
            if (turn()) continue;
            ASSERT_TRUE(engine_->wait(kMillisecond).ok());
        }
        FAIL() << "did not come to pass";
    }

    // Rounds until nothing is left to do but to wait. Kernel threads may still be at work.
    void settle() {
        int rounds = 0;
        while (turn() || before_wait()) ASSERT_LT(++rounds, kMostRounds) << "the devices spin";
    }

    // True if a device would keep the loop from waiting.
    bool before_wait() {
        bool has_work = false;
        for (const Place& place : places_) has_work |= place.worker->before_wait();
        return has_work;
    }

    // When the loop would wake up by itself.
    uint64_t deadline_ns() const {
        uint64_t earliest = IoWorker::kNever;
        for (const Place& place : places_)
            earliest = std::min(earliest, place.worker->deadline_ns());
        return earliest;
    }

    // RAM with `bytes` in it.
    GuestAddress put(std::span<const uint8_t> bytes) {
        const GuestAddress at = ram_.allocate(bytes.size());
        std::ranges::copy(std::as_bytes(bytes), ram_.at(at, bytes.size()).begin());
        return at;
    }
    std::vector<uint8_t> get(GuestAddress at, size_t length) {
        std::vector<uint8_t> bytes(length);
        std::memcpy(bytes.data(), ram_.at(at, length).data(), length);
        return bytes;
    }

    FakeRam ram_{kRam};
    std::unique_ptr<ScriptedEngine> engine_;
    uint64_t now_ns_ = kSecond;

private:
    struct Place {
        FakeDriver* driver;
        IoWorker* worker;
    };
    std::vector<Place> places_;
};
