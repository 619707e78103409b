#include "rootfs/unikernel/virtqueue.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>

namespace {

// The device's side of the queue, as far as a driver can see it.
class Device {
public:
    Device(VirtqueueMemory& memory, uint16_t size) : memory_(memory), size_(size) {}

    uint16_t flags() const { return memory_.avail.flags; }
    uint16_t offered() const { return static_cast<uint16_t>(memory_.avail.idx - next_); }
    void set_flags(uint16_t flags) { memory_.used.flags = flags; }

    // Asks for a kick when the chain after the next `chains` comes. The events lie behind the
    // entries that the queue has, not behind those that it has room for.
    void ask_for_kick_after(uint16_t chains) {
        const auto event = static_cast<uint16_t>(next_ + chains);
        std::memcpy(&memory_.used.ring[size_], &event, sizeof event);
    }

    uint16_t take() { return memory_.avail.ring[next_++ % size_]; }

    // True if the driver would be interrupted for it (§2.7.7).
    bool use(uint16_t head, uint32_t bytes) {
        memory_.used.ring[memory_.used.idx % size_] = {head, bytes};
        uint16_t event = 0;
        std::memcpy(&event, &memory_.avail.ring[size_], sizeof event);
        const uint16_t before = memory_.used.idx++;
        return static_cast<uint16_t>(memory_.used.idx - event - 1) <
               static_cast<uint16_t>(memory_.used.idx - before);
    }

private:
    VirtqueueMemory& memory_;
    uint16_t size_;
    uint16_t next_ = 0;
};

class VirtqueueTest : public testing::Test {
protected:
    static constexpr uint16_t kSize = 8;

    std::unique_ptr<VirtqueueMemory> memory_ = std::make_unique<VirtqueueMemory>();
    Device device_{*memory_, kSize};
};

TEST_F(VirtqueueTest, ShowsChainsOnlyWhenTheyAreOffered) {
    Virtqueue queue(*memory_, kSize, Events::kFlags);
    queue.add(5);
    queue.add(3);
    EXPECT_EQ(device_.offered(), 0);
    EXPECT_TRUE(queue.offer());
    ASSERT_EQ(device_.offered(), 2);
    EXPECT_EQ(device_.take(), 5);
    EXPECT_EQ(device_.take(), 3);
    EXPECT_FALSE(queue.offer()) << "there is nothing new";
}

TEST_F(VirtqueueTest, TakesWhatIsUsedInItsOrder) {
    Virtqueue queue(*memory_, kSize, Events::kFlags);
    EXPECT_FALSE(queue.has_used());
    device_.use(3, 100);
    device_.use(1, 200);
    ASSERT_TRUE(queue.has_used());
    EXPECT_EQ(queue.take_used().id, 3U);
    const virtq_used_elem second = queue.take_used();
    EXPECT_EQ(second.id, 1U);
    EXPECT_EQ(second.len, 200U);
    EXPECT_FALSE(queue.has_used());
}

TEST_F(VirtqueueTest, ObeysTheFlagsWithoutEventIndexes) {
    Virtqueue queue(*memory_, kSize, Events::kFlags);
    EXPECT_EQ(device_.flags(), VIRTQ_AVAIL_F_NO_INTERRUPT);
    device_.set_flags(VIRTQ_USED_F_NO_NOTIFY);
    queue.add(0);
    EXPECT_FALSE(queue.offer());
    device_.set_flags(0);
    queue.add(1);
    EXPECT_TRUE(queue.offer());
}

TEST_F(VirtqueueTest, KicksWhenItPassesTheAvailEvent) {
    Virtqueue queue(*memory_, kSize, Events::kIndexes);
    EXPECT_EQ(device_.flags(), 0) << "§2.7.7.1: the driver MUST set flags to 0";
    queue.add(0);
    EXPECT_TRUE(queue.offer());

    device_.ask_for_kick_after(2);
    queue.add(1);
    EXPECT_FALSE(queue.offer());
    queue.add(2);
    queue.add(3);
    EXPECT_TRUE(queue.offer());
    queue.add(4);
    EXPECT_FALSE(queue.offer()) << "once is enough";
}

// More often round the ring, and round its 16-bit indexes, than once.
void go_round(Events events) {
    const auto memory = std::make_unique<VirtqueueMemory>();
    constexpr uint16_t kSize = 8;
    Virtqueue queue(*memory, kSize, events);
    Device device(*memory, kSize);
    uint64_t kicks = 0;
    uint64_t interrupts = 0;
    for (unsigned round = 0; round < 40'000; ++round) {
        const unsigned chains = 1 + round % kSize;
        for (unsigned i = 0; i < chains; ++i) queue.add(static_cast<uint16_t>(i));
        if (queue.offer()) ++kicks;
        ASSERT_EQ(device.offered(), chains);
        for (unsigned i = 0; i < chains; ++i) {
            ASSERT_EQ(device.take(), i);
            if (device.use(static_cast<uint16_t>(i), round)) ++interrupts;
        }
        device.ask_for_kick_after(0);
        for (unsigned i = 0; i < chains; ++i) {
            ASSERT_TRUE(queue.has_used());
            const virtq_used_elem used = queue.take_used();
            ASSERT_EQ(used.id, i);
            ASSERT_EQ(used.len, round);
        }
        ASSERT_FALSE(queue.has_used());
    }
    EXPECT_EQ(kicks, 40'000U);
    if (events == Events::kIndexes) {
        EXPECT_EQ(interrupts, 0U);
    }
}

TEST(Virtqueue, GoesRoundWithFlags) {
    go_round(Events::kFlags);
}

TEST(Virtqueue, GoesRoundWithIndexesAndIsNeverInterrupted) {
    go_round(Events::kIndexes);
}

TEST_F(VirtqueueTest, StartsAnewInUsedMemory) {
    {
        Virtqueue before(*memory_, kSize, Events::kIndexes);
        before.add(1);
        before.offer();
        device_.ask_for_kick_after(3);
        device_.use(1, 1);
    }
    Virtqueue queue(*memory_, kSize, Events::kIndexes);
    EXPECT_FALSE(queue.has_used());
    EXPECT_EQ(device_.offered(), 0);
    queue.add(0);
    EXPECT_TRUE(queue.offer());
}

}  // namespace
