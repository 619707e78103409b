#include "virtio/mmio.hpp"

#include <array>
#include <gtest/gtest.h>
#include <thread>

#include "virtio/fake_device.hpp"
#include "virtio/fake_driver.hpp"

namespace {

using R = MmioRegister;
using namespace std::chrono_literals;

constexpr uint64_t kVersion1 = feature(VIRTIO_F_VERSION_1);
constexpr uint8_t kLive = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
                          VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK;

class MmioTest : public testing::Test {
protected:
    void start(uint64_t features = feature(VIRTIO_F_RING_RESET)) {
        ASSERT_TRUE(driver_.start(features, {4, 4}));
    }

    // A request that the device answers with 5 bytes.
    void expect_echo(uint16_t queue = 0) {
        const GuestAddress out = ram_.allocate(5);
        const GuestAddress in = ram_.allocate(8);
        ram_.store(out, std::array{'h', 'e', 'l', 'l', 'o'});
        driver_.submit(queue, {{out, 5}, {in, 8, Access::kWritable}});
        driver_.pump();
        const auto used = driver_.queue(queue).take_used();
        ASSERT_TRUE(used.has_value());
        EXPECT_EQ(used->len, 5U);
        EXPECT_EQ(ram_.load<char>(in + 4), 'o');
    }

    FakeRam ram_{1 << 20};
    EventFd interrupt_ = EventFd::create().value();
    FakeDevice device_;
    FakeWindow window_;
    std::unique_ptr<MmioTransport> transport_ =
        MmioTransport::create("fake", device_, ram_.memory(), interrupt_, window_.bytes, 0ms)
            .value();
    FakeDriver driver_{*transport_, ram_};
};

TEST_F(MmioTest, SaysWhatItIs) {
    EXPECT_EQ(driver_.read(R::MagicValue), 0x74726976U);
    EXPECT_EQ(driver_.read(R::Version), 2U);
    EXPECT_EQ(driver_.read(R::DeviceID), FakeDevice::kId);
    EXPECT_EQ(driver_.device_features(),
              feature(FakeDevice::kFeature) | feature(VIRTIO_F_INDIRECT_DESC) |
                  feature(VIRTIO_F_EVENT_IDX) | kVersion1 | feature(VIRTIO_F_RING_RESET));
    driver_.write(R::DeviceFeaturesSel, 2);
    EXPECT_EQ(driver_.read(R::DeviceFeatures), 0U);
    driver_.write(R::QueueSel, 1);
    EXPECT_EQ(driver_.read(R::QueueNumMax), FakeDevice::kQueueSize);
    driver_.write(R::QueueSel, 2);
    EXPECT_EQ(driver_.read(R::QueueNumMax), 0U);
    // No shared memory regions: a length of -1.
    EXPECT_EQ(driver_.read(R::SHMLenLow), 0xffffffffU);
    EXPECT_EQ(driver_.read(R::SHMLenHigh), 0xffffffffU);
}

TEST_F(MmioTest, ControlRegistersAreWrittenWhole) {
    std::array<std::byte, 8> bytes{};
    for (const size_t width : {1U, 2U, 8U}) {
        bytes.fill(std::byte{1});
        transport_->write(static_cast<uint64_t>(R::Status), std::span(bytes).first(width));
        EXPECT_EQ(driver_.status(), 0) << width;
    }
    driver_.write(static_cast<R>(0x0f0), 1);
    EXPECT_EQ(driver_.read(static_cast<R>(0x0f0)), 0U);
    transport_->write(0xffffffffffffffff, std::span(bytes).first(4));
    transport_->read(0xffffffffffffffff, std::span(bytes).first(4));
    EXPECT_EQ(bytes[0], std::byte{0});
}

TEST_F(MmioTest, ConfigurationIsReadInAnyWidth) {
    EXPECT_EQ(driver_.read_config<uint8_t>(5), 6);
    EXPECT_EQ(driver_.read_config<uint16_t>(1), 0x0302);
    EXPECT_EQ(driver_.read_config<uint32_t>(0), 0x04030201U);
    EXPECT_EQ(driver_.read_config<uint64_t>(0), 0x0000060504030201U);
    EXPECT_EQ(driver_.read_config<uint32_t>(4), 0x0605U);  // and nothing behind the end
    EXPECT_EQ(driver_.read_config<uint32_t>(6), 0U);
    EXPECT_EQ(driver_.read_config<uint32_t>(0xeff), 0U);
    driver_.write(R::Config, 0xffffffff);
    EXPECT_EQ(driver_.read_config<uint8_t>(0), 1);
}

TEST_F(MmioTest, AChangedConfigurationHasANewGenerationAndAnInterrupt) {
    const uint32_t before = driver_.read(R::ConfigGeneration);
    transport_->set_config(std::array{std::byte{9}});
    EXPECT_NE(driver_.read(R::ConfigGeneration), before);
    EXPECT_EQ(driver_.read_config<uint16_t>(0), 0x0209);
    EXPECT_FALSE(interrupt_.drain());  // nobody is there yet
    start();
    transport_->set_config(std::array{std::byte{8}});
    EXPECT_TRUE(interrupt_.drain());
    EXPECT_EQ(driver_.read(R::InterruptStatus), VIRTIO_MMIO_INT_CONFIG);
}

// §3.1.1

TEST_F(MmioTest, EachStatusBitNeedsTheOneBefore) {
    driver_.write(R::Status, VIRTIO_STATUS_DRIVER);
    EXPECT_EQ(driver_.status(), 0);
    driver_.write(R::Status, VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK);
    EXPECT_EQ(driver_.status(), 0);
    driver_.write(R::Status, VIRTIO_STATUS_ACKNOWLEDGE);
    EXPECT_EQ(driver_.status(), VIRTIO_STATUS_ACKNOWLEDGE);
    driver_.write(R::Status, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER_OK);
    EXPECT_EQ(driver_.status(), VIRTIO_STATUS_ACKNOWLEDGE);
    driver_.add_status(VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DEVICE_NEEDS_RESET | 0x30);
    EXPECT_EQ(driver_.status(), VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
}

TEST_F(MmioTest, TheDriverClearsNoStatusBit) {
    start();
    driver_.write(R::Status, VIRTIO_STATUS_ACKNOWLEDGE);
    EXPECT_EQ(driver_.status(), kLive);
    driver_.add_status(VIRTIO_STATUS_FAILED);
    EXPECT_EQ(driver_.status(), kLive | VIRTIO_STATUS_FAILED);
}

TEST_F(MmioTest, FeaturesMustBeOfferedAndHaveVersion1) {
    EXPECT_FALSE(driver_.negotiate(0));
    EXPECT_FALSE(driver_.negotiate(feature(FakeDevice::kFeature)));
    for (unsigned bit = 0; bit < 64; ++bit) {
        const bool is_offered = (driver_.device_features() & feature(bit)) != 0;
        EXPECT_EQ(driver_.negotiate(kVersion1 | feature(bit)), is_offered) << bit;
    }
}

TEST_F(MmioTest, FeaturesAreWrittenBetweenDriverAndFeaturesOk) {
    driver_.write(R::DriverFeaturesSel, 1);
    driver_.write(R::DriverFeatures, static_cast<uint32_t>(kVersion1 >> 32));  // too early
    driver_.write(R::Status, VIRTIO_STATUS_ACKNOWLEDGE);
    driver_.add_status(VIRTIO_STATUS_DRIVER);
    driver_.add_status(VIRTIO_STATUS_FEATURES_OK);
    EXPECT_EQ(driver_.status() & VIRTIO_STATUS_FEATURES_OK, 0);
    // A refused driver may try again.
    driver_.write(R::DriverFeatures, static_cast<uint32_t>(kVersion1 >> 32));
    driver_.add_status(VIRTIO_STATUS_FEATURES_OK);
    EXPECT_NE(driver_.status() & VIRTIO_STATUS_FEATURES_OK, 0);
    driver_.write(R::DriverFeaturesSel, 0);
    driver_.write(R::DriverFeatures, 1U << FakeDevice::kFeature);  // too late
    driver_.add_status(VIRTIO_STATUS_DRIVER_OK);
    driver_.pump();
    EXPECT_EQ(device_.activated_features, kVersion1);
}

TEST_F(MmioTest, CarriesChainsOnEveryQueueAndInterrupts) {
    start(feature(VIRTIO_F_INDIRECT_DESC) | feature(FakeDevice::kFeature));
    EXPECT_EQ(driver_.status(), kLive);
    EXPECT_EQ(device_.activations, 1);
    EXPECT_NE(device_.activated_features & feature(FakeDevice::kFeature), 0U);
    EXPECT_EQ(driver_.read(R::InterruptStatus), 0U);
    expect_echo(0);
    EXPECT_TRUE(interrupt_.drain());
    EXPECT_EQ(driver_.read(R::InterruptStatus), VIRTIO_MMIO_INT_VRING);
    driver_.write(R::InterruptACK, VIRTIO_MMIO_INT_CONFIG);
    EXPECT_EQ(driver_.read(R::InterruptStatus), VIRTIO_MMIO_INT_VRING);
    driver_.write(R::InterruptACK, VIRTIO_MMIO_INT_VRING);
    EXPECT_EQ(driver_.read(R::InterruptStatus), 0U);
    expect_echo(1);
}

TEST_F(MmioTest, ChainsOfferedBeforeDriverOkAreServedWithoutAKick) {
    ASSERT_TRUE(driver_.negotiate(kVersion1));
    FakeQueue queue(ram_, 4, 0);
    ASSERT_TRUE(driver_.set_up_queue(0, queue.layout()));
    queue.add({{GuestAddress{0x100}, 1}});
    queue.offer();
    driver_.kick(0);
    driver_.pump();
    EXPECT_FALSE(queue.take_used().has_value());  // §2.1.2: not before DRIVER_OK
    driver_.add_status(VIRTIO_STATUS_DRIVER_OK);
    driver_.pump();
    EXPECT_TRUE(queue.take_used().has_value());
}

TEST_F(MmioTest, OneInterruptForABatch) {
    start(feature(VIRTIO_F_EVENT_IDX));
    for (int i = 0; i < 3; ++i) driver_.queue(0).add({{GuestAddress{0x100}, 1}});
    driver_.queue(0).offer();
    driver_.kick(0);
    driver_.pump();
    uint64_t count = 0;
    ASSERT_EQ(::read(interrupt_.fd(), &count, sizeof(count)), 8);
    EXPECT_EQ(count, 1U);
    EXPECT_EQ(driver_.queue(0).used_idx(), 3);
}

// --- What a driver may get wrong ----------------------------------------------------------------

TEST_F(MmioTest, AQueueThatCannotBeFailsTheDevice) {
    const auto expect_failure = [&](auto change) {
        ASSERT_TRUE(driver_.negotiate(kVersion1));
        interrupt_.drain();
        FakeRam elsewhere(1 << 16);
        VirtqueueLayout layout = FakeQueue(elsewhere, 16, 0).layout();
        change(layout);
        EXPECT_FALSE(driver_.set_up_queue(0, layout));
        EXPECT_TRUE(driver_.needs_reset());
        EXPECT_TRUE(interrupt_.drain());
        EXPECT_EQ(driver_.read(R::InterruptStatus), VIRTIO_MMIO_INT_CONFIG);
        driver_.add_status(VIRTIO_STATUS_DRIVER_OK);
        EXPECT_EQ(driver_.status() & VIRTIO_STATUS_DRIVER_OK, 0);
    };
    for (const uint32_t size : {0U, 3U, 512U, 32768U, 65536U, 0x80000000U, 0xffffffffU, 0x10010U})
        expect_failure([&](VirtqueueLayout& l) { l.size = size; });
    for (const uint64_t wild : {uint64_t{1} << 20, uint64_t{1} << 63, ~uint64_t{15}}) {
        expect_failure([&](VirtqueueLayout& l) { l.desc.value = wild; });
        expect_failure([&](VirtqueueLayout& l) { l.driver.value = wild; });
        expect_failure([&](VirtqueueLayout& l) { l.device.value = wild; });
    }
    expect_failure([](VirtqueueLayout& l) { ++l.desc.value; });
    expect_failure([](VirtqueueLayout& l) { ++l.driver.value; });
    expect_failure([](VirtqueueLayout& l) { ++l.device.value; });
    start();
    expect_echo();
}

TEST_F(MmioTest, QueuesAreSetUpAfterFeaturesOkAndNotWhileReady) {
    FakeQueue queue(ram_, 4, 0);
    EXPECT_FALSE(driver_.set_up_queue(0, queue.layout()));
    EXPECT_EQ(driver_.status(), 0);
    start();
    driver_.write(R::QueueSel, 0);
    driver_.write(R::QueueNum, 77);
    driver_.write(R::QueueDescLow, 0xfffffff0);
    driver_.write(R::QueueReady, 1);
    expect_echo();
    EXPECT_FALSE(driver_.set_up_queue(2, queue.layout()));  // there is none
    EXPECT_FALSE(driver_.needs_reset());
}

TEST_F(MmioTest, KicksToQueuesThatAreNotReadyAreNothing) {
    driver_.kick(0);
    driver_.pump();
    ASSERT_TRUE(driver_.start(0, {4}));
    const int before = device_.kicks;
    for (const uint32_t index : {1U, 2U, 0xffffU, 0xffffffffU})
        driver_.write(R::QueueNotify, index);
    driver_.pump();
    EXPECT_EQ(device_.kicks, before);
    expect_echo(0);
}

TEST_F(MmioTest, AFailedDeviceTouchesNoQueueUntilItIsReset) {
    start();
    interrupt_.drain();
    driver_.queue(0).set_avail_idx(100);
    driver_.kick(0);
    driver_.pump();
    EXPECT_EQ(driver_.status(), kLive | VIRTIO_STATUS_DEVICE_NEEDS_RESET);
    EXPECT_TRUE(transport_->has_failed());
    EXPECT_TRUE(interrupt_.drain());
    EXPECT_EQ(driver_.read(R::InterruptStatus), VIRTIO_MMIO_INT_CONFIG);

    const int before = device_.kicks;
    driver_.submit(1, {{GuestAddress{0x100}, 1}});
    driver_.pump();
    EXPECT_EQ(device_.kicks, before);
    EXPECT_EQ(driver_.queue(1).used_idx(), 0);
    driver_.add_status(0);  // writing back what was read does not clear it
    EXPECT_TRUE(driver_.needs_reset());

    driver_.write(R::Status, 0);
    driver_.pump();
    EXPECT_EQ(driver_.status(), 0);
    EXPECT_EQ(device_.stops, 2);
    start();
    expect_echo(0);
    expect_echo(1);
}

TEST_F(MmioTest, ADeviceThatCannotActivateFails) {
    device_.fails_to_activate = true;
    EXPECT_FALSE(driver_.start(0, {4}));
    EXPECT_FALSE(device_.runs(0));
    device_.fails_to_activate = false;
    driver_.write(R::Status, 0);
    driver_.pump();
    start();
    expect_echo();
}

// --- Reset --------------------------------------------------------------------------------------

TEST_F(MmioTest, ResetClearsEverything) {
    start();
    expect_echo();
    driver_.write(R::QueueSel, 1);
    driver_.write(R::Status, 0);
    EXPECT_EQ(driver_.status(), kLive);  // not before the device is still
    driver_.pump();
    EXPECT_EQ(driver_.status(), 0);
    EXPECT_EQ(driver_.read(R::InterruptStatus), 0U);
    for (const uint32_t index : {0U, 1U}) {
        driver_.write(R::QueueSel, index);
        EXPECT_EQ(driver_.read(R::QueueReady), 0U);
    }
    EXPECT_FALSE(device_.runs(0));
    start();
    expect_echo();
    EXPECT_EQ(device_.activations, 2);
}

TEST_F(MmioTest, ADeviceThatNeverRanIsResetAtOnce) {
    driver_.negotiate(kVersion1);
    FakeQueue queue(ram_, 4, 0);
    driver_.set_up_queue(0, queue.layout());
    driver_.write(R::Status, 0);
    EXPECT_EQ(driver_.status(), 0);
    EXPECT_EQ(driver_.read(R::QueueReady), 0U);
    // Also between DRIVER_OK and the I/O thread's hearing of it.
    driver_.negotiate(kVersion1);
    driver_.set_up_queue(0, queue.layout());
    driver_.add_status(VIRTIO_STATUS_DRIVER_OK);
    driver_.write(R::Status, 0);
    EXPECT_EQ(driver_.status(), 0);
    driver_.pump();
    EXPECT_EQ(device_.activations, 0);
}

TEST_F(MmioTest, ResetEndsWhenNothingIsInFlight) {
    device_.holds = true;
    start();
    driver_.submit(0, {{GuestAddress{0x100}, 1}});
    driver_.pump();
    ASSERT_EQ(device_.held(0), 1U);
    driver_.write(R::Status, 0);
    driver_.pump();
    EXPECT_EQ(driver_.status(), kLive);
    // What the driver writes meanwhile is lost on the device.
    driver_.write(R::Status, kLive | VIRTIO_STATUS_FAILED);
    driver_.write(R::QueueReady, 1);
    driver_.write(R::Status, 0);
    driver_.kick(0);
    driver_.pump();
    EXPECT_EQ(driver_.status(), kLive);
    device_.complete(0);
    EXPECT_EQ(driver_.status(), 0);
    EXPECT_EQ(driver_.queue(0).used_idx(), 0);  // and the old driver's ring was left alone
    EXPECT_EQ(device_.stops, 2);
    device_.holds = false;
    start();
    expect_echo();
}

TEST_F(MmioTest, ResetOfAFailedDeviceWaitsToo) {
    device_.holds = true;
    start();
    driver_.submit(0, {{GuestAddress{0x100}, 1}});
    driver_.pump();
    transport_->fail({"test", EIO});
    driver_.write(R::Status, 0);
    driver_.pump();
    EXPECT_NE(driver_.status(), 0);
    device_.complete(0);
    EXPECT_EQ(driver_.status(), 0);
}

// §2.6.1 and §4.2.2.1

TEST_F(MmioTest, AQueueIsResetAlone) {
    device_.holds = true;
    start();
    driver_.submit(0, {{GuestAddress{0x100}, 1}});
    driver_.pump();
    driver_.write(R::QueueSel, 0);
    driver_.write(R::QueueReset, 1);
    driver_.pump();
    EXPECT_EQ(driver_.read(R::QueueReset), 1U);  // "as long as the queue reset is ongoing"
    EXPECT_EQ(driver_.read(R::QueueReady), 1U);
    device_.complete(0);
    EXPECT_EQ(driver_.read(R::QueueReset), 0U);
    EXPECT_EQ(driver_.read(R::QueueReady), 0U);
    EXPECT_EQ(driver_.status(), kLive);
    device_.holds = false;
    expect_echo(1);

    FakeQueue again(ram_, 8, 0);
    EXPECT_TRUE(driver_.set_up_queue(0, again.layout()));
    again.add({{GuestAddress{0x100}, 1}});
    again.offer();
    driver_.pump();
    EXPECT_TRUE(again.take_used().has_value());
    EXPECT_EQ(device_.activations, 1);
}

TEST_F(MmioTest, WithoutRingResetThereIsNoQueueReset) {
    start(0);
    driver_.write(R::QueueSel, 0);
    driver_.write(R::QueueReset, 1);
    driver_.pump();
    EXPECT_EQ(driver_.read(R::QueueReset), 0U);
    expect_echo(0);
}

TEST_F(MmioTest, AQueueIsStoppedByWritingZeroToItsReadyBit) {
    device_.holds = true;
    start(0);
    driver_.submit(1, {{GuestAddress{0x100}, 1}});
    driver_.pump();
    driver_.write(R::QueueSel, 1);
    driver_.write(R::QueueReady, 0);
    driver_.pump();
    EXPECT_EQ(driver_.read(R::QueueReady), 1U);
    device_.complete(1);
    EXPECT_EQ(driver_.read(R::QueueReady), 0U);
}

TEST_F(MmioTest, ADeviceResetOvertakesAQueueReset) {
    device_.holds = true;
    start();
    driver_.submit(0, {{GuestAddress{0x100}, 1}});
    driver_.pump();
    driver_.write(R::QueueSel, 0);
    driver_.write(R::QueueReset, 1);
    driver_.pump();
    driver_.write(R::Status, 0);
    driver_.pump();
    EXPECT_NE(driver_.status(), 0);
    device_.complete(0);
    EXPECT_EQ(driver_.status(), 0);
    EXPECT_EQ(driver_.read(R::QueueReset), 0U);
}

// --- Threads ------------------------------------------------------------------------------------

// A vCPU that sets up, uses, breaks and resets the device as fast as it can, as Linux would,
// without reading Status back; another that looks on; and the I/O thread.
TEST(MmioThreadsTest, RegistersAndQueuesMeetNowhereElse) {
    FakeRam ram(1 << 22);
    const EventFd interrupt = EventFd::create().value();
    FakeDevice device;
    FakeWindow window;
    const auto transport =
        MmioTransport::create("fake", device, ram.memory(), interrupt, window.bytes, 60s).value();
    const std::jthread io([&](const std::stop_token& stop) {
        FakeDriver pump(*transport, ram);
        while (!stop.stop_requested())
            if (!pump.pump()) std::this_thread::yield();
    });
    const std::jthread onlooker([&](const std::stop_token& stop) {
        FakeDriver look(*transport, ram);
        while (!stop.stop_requested()) {
            std::this_thread::yield();
            look.status();
            look.read_config<uint64_t>(0);
            look.write(R::QueueNotify, 1);
            look.write(R::InterruptACK, look.read(R::InterruptStatus));
        }
    });
    FakeDriver driver(*transport, ram);
    for (int round = 0; round < 40; ++round) {
        ASSERT_TRUE(driver.negotiate(kVersion1 | feature(VIRTIO_F_EVENT_IDX)));
        FakeQueue queue(ram, 4, feature(VIRTIO_F_EVENT_IDX));
        ASSERT_TRUE(driver.set_up_queue(0, queue.layout()));
        driver.add_status(VIRTIO_STATUS_DRIVER_OK);
        for (int i = 0; i < 20; ++i) {
            queue.add({{GuestAddress{8}, 4}, {GuestAddress{16}, 4, Access::kWritable}});
            if (queue.offer()) driver.kick(0);
            while (!queue.take_used().has_value()) std::this_thread::yield();
        }
        if (round % 3 == 0) {
            queue.set_avail_idx(static_cast<uint16_t>(queue.avail_idx() + 5));
            driver.kick(0);
        }
        transport->set_config(std::array{static_cast<std::byte>(round)});
        driver.write(R::Status, 0);
        ASSERT_EQ(driver.status(), 0);
    }
}

}  // namespace
