// A transport that is saved, and another one that goes on from there.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <gtest/gtest.h>
#include <random>

#include "virtio/fake_device.hpp"
#include "virtio/fake_driver.hpp"
#include "virtio/mmio.hpp"

namespace {

using R = MmioRegister;
using namespace std::chrono_literals;

constexpr uint64_t kVersion1 = feature(VIRTIO_F_VERSION_1);
constexpr uint64_t kEventIdx = feature(VIRTIO_F_EVENT_IDX);
constexpr uint64_t kRingReset = feature(VIRTIO_F_RING_RESET);

// A device in its window.
struct Place {
    Result<> make(FakeRam& ram, const MmioTransportState& state = {}) {
        auto made = MmioTransport::create("fake", device, ram.memory(), interrupt, window.bytes,
                                          0ms, state);
        if (!made.ok()) return made.error();
        transport = std::move(made).value();
        return Ok{};
    }
    // Interrupts since this was asked last.
    uint64_t interrupts() const {
        uint64_t count = 0;
        return ::read(interrupt.fd(), &count, sizeof(count)) == sizeof(count) ? count : 0;
    }
    bool shows_the_same_as(const Place& other) const {
        return std::ranges::equal(window.bytes, other.window.bytes);
    }

    EventFd interrupt = EventFd::create().value();
    FakeDevice device;
    FakeWindow window;
    std::unique_ptr<MmioTransport> transport;
};

class MmioStateTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(first_.make(ram_).ok());
        driver_.emplace(*first_.transport, ram_);
    }
    MmioTransportState save() const { return first_.transport->save().value(); }
    // The second device is in the first one's place.
    void move() {
        ASSERT_TRUE(second_.make(ram_, save()).ok());
        ASSERT_TRUE(second_.shows_the_same_as(first_));
        const FakeDriver before = *driver_;
        driver_.emplace(before, *second_.transport);
    }
    uint16_t ask(uint16_t queue = 0) {
        const GuestAddress out = ram_.allocate(5);
        const GuestAddress in = ram_.allocate(8);
        return driver_->submit(queue, {{out, 5}, {in, 8, Access::kWritable}});
    }
    void expect_answer(uint16_t head, uint16_t queue = 0) {
        const auto used = driver_->queue(queue).take_used();
        ASSERT_TRUE(used.has_value());
        EXPECT_EQ(used->id, head);
        EXPECT_EQ(used->len, 5U);
    }
    void expect_echo(uint16_t queue = 0) {
        const uint16_t head = ask(queue);
        driver_->pump();
        expect_answer(head, queue);
    }
    void expect_each_to_be_answered_once(uint64_t features) {
        ASSERT_TRUE(driver_->start(features, {8, 4}));
        for (int i = 0; i < 11; ++i) expect_echo();
        first_.device.holds = true;
        const uint16_t had = ask();
        driver_->pump();
        const uint16_t kicked = ask();
        ASSERT_EQ(first_.device.held(0), 1U);
        move();
        EXPECT_FALSE(second_.device.runs(0));
        EXPECT_EQ(second_.interrupts(), 0U);
        driver_->pump();
        EXPECT_EQ(second_.device.activated_features, features | kVersion1);
        EXPECT_EQ(second_.device.activations, 1);
        expect_answer(had);
        expect_answer(kicked);
        EXPECT_EQ(driver_->queue(0).take_used(), std::nullopt);
        EXPECT_GE(second_.interrupts(), 1U);
        for (int i = 0; i < 11; ++i) expect_echo();
        expect_echo(1);
    }
    // What create() says of `state`: 0 if it takes it.
    int refusal(const MmioTransportState& state, std::string_view what = {}) {
        Place place;
        const Result<> made = place.make(ram_, state);
        if (made.ok()) return 0;
        EXPECT_EQ(made.error().subject(), "fake");
        if (!what.empty()) {
            EXPECT_EQ(made.error().what, what);
        }
        return made.error().code;
    }

    FakeRam ram_{1 << 20};
    Place first_, second_;
    std::optional<FakeDriver> driver_;
};

TEST_F(MmioStateTest, EachRequestIsAnsweredOnce) {
    expect_each_to_be_answered_once(kRingReset);
}

TEST_F(MmioStateTest, EachRequestIsAnsweredOnceWithEventIdx) {
    expect_each_to_be_answered_once(kRingReset | kEventIdx);
}

TEST_F(MmioStateTest, ADriverThatWaitsIsInterruptedOnce) {
    ASSERT_TRUE(driver_->start(kEventIdx, {4, 4}));
    expect_echo();
    move();
    EXPECT_EQ(second_.interrupts(), 0U);
    driver_->pump();
    EXPECT_EQ(second_.interrupts(), 1U);
    EXPECT_EQ(driver_->read(R::InterruptStatus), VIRTIO_MMIO_INT_VRING);
    second_.transport->on_control();
    EXPECT_EQ(second_.interrupts(), 0U);
    expect_echo();
}

TEST_F(MmioStateTest, GoesOnFromEachStepOfASetUp) {
    const FakeQueue queue(ram_, 4, kVersion1);
    const auto& layout = queue.layout();
    const std::vector<std::pair<R, uint32_t>> writes{
        {R::Status, VIRTIO_STATUS_ACKNOWLEDGE},
        {R::Status, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER},
        {R::DeviceFeaturesSel, 1},
        {R::DriverFeaturesSel, 1},
        {R::DriverFeatures, 1},
        {R::Status, 0xb},
        {R::QueueSel, 1},
        {R::QueueNum, layout.size},
        {R::QueueDescLow, static_cast<uint32_t>(layout.desc.value)},
        {R::QueueDriverLow, static_cast<uint32_t>(layout.driver.value)},
        {R::QueueDeviceLow, static_cast<uint32_t>(layout.device.value)},
        {R::QueueReady, 1},
    };
    for (size_t step = 0; step <= writes.size(); ++step) {
        SCOPED_TRACE(step);
        Place from;
        ASSERT_TRUE(from.make(ram_).ok());
        FakeDriver driver(*from.transport, ram_);
        for (size_t i = 0; i < step; ++i) driver.write(writes[i].first, writes[i].second);
        Place to;
        ASSERT_TRUE(to.make(ram_, from.transport->save().value()).ok());
        EXPECT_TRUE(to.shows_the_same_as(from));
        EXPECT_EQ(to.transport->save().value(), from.transport->save().value());
        EXPECT_FALSE(to.transport->control().drain());
        FakeDriver rest(driver, *to.transport);
        for (size_t i = step; i < writes.size(); ++i) rest.write(writes[i].first, writes[i].second);
        rest.add_status(VIRTIO_STATUS_DRIVER_OK);
        rest.pump();
        EXPECT_EQ(to.device.activated_features, kVersion1);
        EXPECT_TRUE(to.device.runs(1));
        EXPECT_FALSE(to.device.runs(0));
        EXPECT_EQ(to.interrupts(), 0U);
    }
}

TEST_F(MmioStateTest, WhatTheIoThreadHasNotSeenIsSavedToo) {
    ASSERT_TRUE(driver_->negotiate(kVersion1));
    const FakeQueue queue(ram_, 4, kVersion1);
    ASSERT_TRUE(driver_->set_up_queue(0, queue.layout()));
    driver_->add_status(VIRTIO_STATUS_DRIVER_OK);
    move();
    driver_->pump();
    EXPECT_TRUE(second_.device.runs(0));
}

TEST_F(MmioStateTest, AFailedDeviceWaitsForItsReset) {
    ASSERT_TRUE(driver_->start(0, {4, 4}));
    expect_echo();
    driver_->queue(0).offer_raw(500);
    driver_->kick(0);
    driver_->pump();
    ASSERT_TRUE(driver_->needs_reset());
    move();
    driver_->pump();
    EXPECT_TRUE(driver_->needs_reset());
    EXPECT_EQ(second_.device.activations, 0);
    EXPECT_EQ(second_.interrupts(), 1U);  // that of its failure may not have come
    EXPECT_NE(driver_->read(R::InterruptStatus) & VIRTIO_MMIO_INT_CONFIG, 0U);
    ASSERT_TRUE(driver_->start(0, {4, 4}));
    expect_echo();
}

TEST_F(MmioStateTest, GoesOnAfterAReset) {
    ASSERT_TRUE(driver_->start(0, {4, 4}));
    expect_echo();
    driver_->write(R::Status, 0);
    driver_->pump();
    ASSERT_EQ(driver_->status(), 0);
    move();
    EXPECT_FALSE(second_.transport->control().drain());
    ASSERT_TRUE(driver_->start(kEventIdx, {8, 8}));
    expect_echo();
}

TEST_F(MmioStateTest, AResetMayComeBeforeTheIoThread) {
    ASSERT_TRUE(driver_->start(0, {4, 4}));
    expect_echo();
    move();
    driver_->write(R::Status, 0);
    EXPECT_EQ(driver_->status(), 0);
    driver_->pump();
    EXPECT_EQ(second_.interrupts(), 0U);
    EXPECT_FALSE(second_.device.runs(0));
    ASSERT_TRUE(driver_->start(0, {4, 4}));
    expect_echo();
}

TEST_F(MmioStateTest, IsNotSavedWhileAQueueStops) {
    ASSERT_TRUE(driver_->start(kRingReset, {4, 4}));
    first_.device.holds = true;
    ask();
    driver_->pump();
    driver_->write(R::QueueSel, 0);
    driver_->write(R::QueueReset, 1);
    const auto refused = first_.transport->save();
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, EBUSY);
    first_.device.complete(0);
    EXPECT_FALSE(save().queues[0].is_ready);
    EXPECT_TRUE(save().queues[1].is_ready);
}

TEST_F(MmioStateTest, AnotherConfigurationIsTold) {
    ASSERT_TRUE(driver_->start(0, {4, 4}));
    const uint32_t generation = driver_->read(R::ConfigGeneration);
    second_.device.config_bytes[0] = std::byte{77};
    ASSERT_TRUE(second_.make(ram_, save()).ok());
    FakeDriver driver(*driver_, *second_.transport);
    EXPECT_EQ(driver.read_config<uint8_t>(0), 77);
    EXPECT_NE(driver.read(R::ConfigGeneration), generation);
    driver.pump();
    EXPECT_EQ(second_.interrupts(), 1U);
    EXPECT_EQ(driver.read(R::InterruptStatus), VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
}

TEST_F(MmioStateTest, AFeatureThatIsLostIsNamed) {
    constexpr uint64_t kOwn = feature(FakeDevice::kFeature);
    ASSERT_TRUE(driver_->start(kOwn, {4, 4}));
    second_.device.offers = 0;
    Result<> made = second_.make(ram_, save());
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, EOPNOTSUPP);
    EXPECT_EQ(made.error().value, FakeDevice::kFeature);
    // A driver that does without it.
    ASSERT_TRUE(driver_->start(0, {4, 4}));
    EXPECT_TRUE(second_.make(ram_, save()).ok());
    // One that has been told of it, and has not chosen yet; and one that has not even begun.
    driver_->write(R::Status, 0);
    driver_->pump();
    EXPECT_TRUE(second_.make(ram_, save()).ok());
    driver_->add_status(VIRTIO_STATUS_ACKNOWLEDGE);
    EXPECT_FALSE(second_.make(ram_, save()).ok());
    second_.device.offers = kOwn | 2;
    EXPECT_TRUE(second_.make(ram_, save()).ok());
}

TEST_F(MmioStateTest, AStateThatNoDeviceCanHaveIsRefused) {
    ASSERT_TRUE(driver_->start(0, {4, 4}));
    const MmioTransportState good = save();
    EXPECT_EQ(refusal(good), 0);
    using State = MmioTransportState;
    const auto expect_refusal = [&](const char* what, auto change) {
        State state = good;
        change(state);
        EXPECT_NE(refusal(state, what), 0) << what;
    };
    for (const unsigned status : {0x1fU, 0x2fU, 0xffU, 4U, 8U, 12U, 2U, 3U | 4U, 0xeU})
        expect_refusal("Status", [&](State& s) { s.status = static_cast<uint8_t>(status); });
    expect_refusal("InterruptStatus", [](State& s) { s.interrupt_status = 4; });
    expect_refusal("queues", [](State& s) { s.queues.pop_back(); });
    expect_refusal("queues", [](State& s) { s.queues.clear(); });
    expect_refusal("queues", [](State& s) { s.queues.resize(100'000); });
    expect_refusal("DriverFeatures", [](State& s) { s.driver_features = 0; });
    expect_refusal("feature", [](State& s) { s.driver_features |= feature(63); });
    expect_refusal("QueueReady", [](State& s) { s.status = 3; });
    expect_refusal("QueueNum", [](State& s) { s.queues[0].layout.size = 512; });
    expect_refusal("QueueNum", [](State& s) { s.queues[1].layout.size = 3; });
    expect_refusal("QueueDesc", [](State& s) { s.queues[1].layout.desc.value = 1 << 20; });
    expect_refusal("QueueDriver", [](State& s) { s.queues[0].layout.driver.value += 1; });
    expect_refusal("QueueDevice", [](State& s) { s.queues[0].layout.device.value = ~15ULL; });
    expect_refusal("queue", [](State& s) { s.queues[0].queue.position.next_avail += 1; });
    expect_refusal("queue", [](State& s) { s.queues[0].queue.out.push_back(1); });
}

// Whatever is in it: no harm is done, and a driver that begins anew is served.
TEST_F(MmioStateTest, AnyStateIsRefusedOrGoodForAReset) {
    ASSERT_TRUE(driver_->start(kEventIdx | kRingReset, {4, 4}));
    const MmioTransportState good = save();
    std::mt19937 generator(1);  // NOLINT(*-msc51-cpp): the same each time
    const auto below = [&](uint32_t end) { return static_cast<uint16_t>(generator() % end); };
    const FakeRam before = ram_;
    int taken = 0;
    for (int i = 0; i < 3000; ++i) {
        MmioTransportState state = good;
        const std::array<std::function<void()>, 12> changes{
            [&] { state.status = static_cast<uint8_t>(below(256)); },
            [&] { state.status ^= static_cast<uint8_t>(1U << below(8)); },
            [&] { state.queue_sel = below(4); },
            [&] { state.driver_features ^= feature(below(64)); },
            [&] { state.interrupt_status = below(5); },
            [&] { state.config_generation = below(100); },
            [&] { state.config.resize(below(10)); },
            [&] { state.queues[0].is_ready = !state.queues[0].is_ready; },
            [&] { state.queues[0].layout.size = 1U << below(32); },
            [&] { state.queues[0].layout.driver.value = below(60000) * 32U; },
            [&] { state.queues[0].queue.position.next_avail = below(6); },
            [&] { state.queues[0].queue.out.push_back(below(5)); },
        };
        for (int left = 1 + below(3); left > 0; --left) changes.at(below(changes.size()))();
        Place place;
        if (!place.make(ram_, state).ok()) continue;
        ++taken;
        FakeDriver driver(*place.transport, ram_);
        driver.pump();
        driver.write(R::Status, 0);
        driver.pump();
        EXPECT_EQ(driver.status(), 0);
        ASSERT_TRUE(driver.start(0, {4, 4}));
        driver.submit(0, {{ram_.allocate(1), 1}});
        driver.pump();
        ASSERT_TRUE(driver.queue(0).take_used().has_value());
        ram_ = before;
    }
    EXPECT_GT(taken, 300);
}

}  // namespace
