// A machine's devices that are saved, and those of another machine that go on from there: a drive
// on a file of memory, a NIC on a socket in place of a TAP, and the loop on a thread of its own.
#include "monitor/machine/virtio_devices.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>

#include "base/monotonic_clock.hpp"
#include "base/plain_engine.hpp"
#include "base/thread.hpp"
#include "monitor/machine/device_updates.hpp"
#include "monitor/machine/fake_vcpus.hpp"

namespace {

constexpr uint32_t kFrameBytes = 1514;
constexpr uint32_t kSector = 512;

UniqueFd copy_of(const UniqueFd& fd) {
    return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}

// What stays the same: the guest's memory, a file, a network.
struct World {
    World() {
        std::array<int, 2> ends{};
        check(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) ==
              0);
        tap = UniqueFd(ends[0]);
        far = UniqueFd(ends[1]);
        check(::ftruncate(file.get(), 64 * kSector) == 0);
    }
    FakeRam ram{1 << 16};
    UniqueFd file{::memfd_create("disk", MFD_CLOEXEC)};
    UniqueFd tap, far;
};

class Host {
public:
    explicit Host(World& world) : world_(world) {}
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    ~Host() {
        if (thread_.has_value()) loop_->stop();
    }

    Result<> add(std::span<const VirtioDeviceState> states = {}) {
        const std::string path = "/proc/self/fd/" + std::to_string(world_.file.get());
        DeviceFiles files;
        files.disks.push_back(TRY(Disk::open(path.c_str(), DiskAccess::kReadWrite)));
        files.disks.back().unlock();  // the other host is in this process
        files.taps.push_back(Tap::of(copy_of(world_.tap), kFrameBytes));
        return devices.add_all({.drives = {{.id = "drive"}}, .nics = {{.id = "nic"}}},
                               {.drives = {{}}, .nics = {{}}}, std::move(files), windows_, wiring_,
                               world_.ram.memory(), *loop_, states);
    }
    void run() {
        updates.emplace(DeviceUpdates::create(devices, *loop_).value());
        thread_.emplace(Thread::start("io", [this] {
                            check(loop_->start().ok());
                            check(loop_->run().ok());
                        }).value());
    }

    VirtioDevices devices;
    std::optional<DeviceUpdates> updates;

private:
    World& world_;
    std::array<FakeWindow, 2> pages_{};
    std::span<std::byte> windows_{pages_[0].bytes.data(), sizeof(pages_)};
    Wiring wiring_;
    std::unique_ptr<IoLoop> loop_ =
        IoLoop::create(PlainEngine::create(), IoPolling::kNever).value();
    std::optional<Thread> thread_;
};

class VirtioDevicesTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(first_.add().ok());
        drive_.emplace(first_.devices, 0, world_.ram);
        nic_.emplace(first_.devices, 1, world_.ram);
        at_ = world_.ram.allocate(2048);
    }
    void start() {
        first_.run();
        ASSERT_TRUE(drive_->start(~uint64_t{0}, 1));
        ASSERT_TRUE(nic_->start(~uint64_t{0}, 2));
    }
    // Of the sector with that number in its first byte.
    void ask_to_read(uint8_t sector) {
        check(::pwrite(world_.file.get(), &sector, 1, sector * kSector) == 1);
        world_.ram.store(at_, virtio_blk_req_header{VIRTIO_BLK_T_IN, 0, sector});
        drive_->offer(
            0,
            {{at_, 16}, {at_ + 512, kSector, Access::kWritable}, {at_ + 16, 1, Access::kWritable}});
    }
    void await_read(uint8_t sector) {
        EXPECT_EQ(drive_->await_used(0).len, kSector + 1);
        EXPECT_EQ(world_.ram.load<uint8_t>(at_ + 512), sector);
    }
    void receive(uint8_t which) {
        const std::array<uint8_t, 100> frame{0, 0, which};
        check(::send(world_.far.get(), frame.data(), frame.size(), 0) == 100);
        EXPECT_EQ(nic_->await_used(VIRTIO_NET_RECEIVEQ).len, frame.size());
    }
    void give() {
        const GuestAddress buffer = world_.ram.allocate(2048);
        nic_->offer(VIRTIO_NET_RECEIVEQ, {{buffer, 2048, Access::kWritable}});
    }

    World world_;
    Host first_{world_};
    std::optional<WindowDriver> drive_, nic_;
    GuestAddress at_;
};

TEST_F(VirtioDevicesTest, GoOnInAnotherMachine) {
    start();
    for (uint8_t i = 1; i < 4; ++i) {
        ask_to_read(i);
        await_read(i);
    }
    for (int i = 0; i < 4; ++i) give();
    receive(1);
    ASSERT_TRUE(first_.updates->hold().ok());
    ask_to_read(4);
    const auto saved = first_.updates->save();
    ASSERT_TRUE(saved.ok());
    ASSERT_EQ(saved.value().size(), 2U);

    Host second(world_);
    ASSERT_TRUE(second.add(saved.value()).ok());
    drive_.emplace(WindowDriver(*drive_, second.devices));
    nic_.emplace(WindowDriver(*nic_, second.devices));
    second.run();
    // It stands still as the first one did.
    ASSERT_TRUE(second.updates->hold().ok());
    const auto again = second.updates->save();
    ASSERT_TRUE(again.ok());
    for (size_t i = 0; i < 2; ++i)
        EXPECT_EQ(again.value()[i].transport.queues, saved.value()[i].transport.queues);
    EXPECT_EQ(again.value()[0].block->limits, saved.value()[0].block->limits);
    ASSERT_TRUE(second.updates->go_on().ok());
    await_read(4);
    receive(2);
    receive(3);
    receive(4);
    ask_to_read(5);
    await_read(5);
}

TEST_F(VirtioDevicesTest, AreNotSavedWhileTheyAreAtWork) {
    start();
    give();
    receive(1);
    give();
    // The NIC waits for frames, sooner or later.
    Result<std::vector<VirtioDeviceState>> saved = std::vector<VirtioDeviceState>();
    const uint64_t give_up_ns = monotonic_ns() + WindowDriver::kPatienceNs;
    while (saved.ok() && monotonic_ns() < give_up_ns) saved = first_.updates->save();
    ASSERT_FALSE(saved.ok());
    EXPECT_EQ(saved.error().code, EBUSY);
}

TEST_F(VirtioDevicesTest, StatesOfOtherDevicesAreRefused) {
    const std::vector<VirtioDeviceState> saved = first_.devices.save(0).value();
    const auto refusal = [&](std::span<const VirtioDeviceState> states) {
        Host host(world_);
        const Result<> added = host.add(states);
        return added.ok() ? std::string() : std::string(added.error().subject());
    };
    EXPECT_EQ(refusal(saved), "");
    EXPECT_EQ(refusal(std::array{saved[1], saved[1]}), "drive");
    EXPECT_EQ(refusal(std::array{saved[0], saved[0]}), "nic");
    std::vector<VirtioDeviceState> other = saved;
    other[1].transport.status = 0x10;
    EXPECT_EQ(refusal(other), "nic");
    Host host(world_);
    EXPECT_FALSE(host.add(std::span(saved).first(1)).ok());
}

}  // namespace
