#include "virtio/virtqueue.hpp"

#include <array>
#include <gtest/gtest.h>
#include <optional>
#include <vector>

#include "virtio/fake_driver.hpp"

namespace {

constexpr uint64_t kRam = 1 << 16;
constexpr uint64_t kEventIdx = feature(VIRTIO_F_EVENT_IDX);

// A queue of 4 with both of its sides.
struct Pair {
    explicit Pair(uint64_t features = 0, VirtqueuePosition start = {})
        : driver(ram, 4, features),
          device(Virtqueue::create(ram.memory(), driver.layout(), features,
                                   {.position = start, .out = {}})
                     .value()) {}

    // The driver offers one chain of one byte; the device pops it. Its head.
    uint16_t offer_and_pop() {
        driver.add({{ram.allocate(1), 1}});
        driver.offer();
        return *device.pop().value();
    }

    FakeRam ram{1 << 16};
    FakeQueue driver;
    Virtqueue device;
};

// What create() says of a layout that is good but for what `change` does to it. 0: nothing.
template <typename Change>
int refusal(Change change) {
    FakeRam ram(1 << 16);
    VirtqueueLayout layout = FakeQueue(ram, 16, 0).layout();
    change(layout);
    const auto made = Virtqueue::create(ram.memory(), layout, 0);
    return made.ok() ? 0 : made.error().code;
}

TEST(VirtqueueTest, IsCreatedFromAGoodLayoutOnly) {
    using Layout = VirtqueueLayout;
    EXPECT_EQ(refusal([](Layout&) {}), 0);
    EXPECT_EQ(refusal([](Layout& l) { l.size = 1; }), 0);
    for (const uint32_t size : {0U, 3U, 17U, 32767U, 65536U, 0x80000000U, 0xffffffffU})
        EXPECT_EQ(refusal([&](Layout& l) { l.size = size; }), EINVAL) << size;
    // Allowed by §2.7, but its table does not fit in this RAM.
    EXPECT_EQ(refusal([](Layout& l) { l.size = 32768; }), EFAULT);
    EXPECT_EQ(refusal([](Layout& l) { l.desc.value += 8; }), EINVAL);
    EXPECT_EQ(refusal([](Layout& l) { l.driver.value += 1; }), EINVAL);
    EXPECT_EQ(refusal([](Layout& l) { l.device.value += 2; }), EINVAL);
    for (const uint64_t wild : {uint64_t{1} << 16, uint64_t{1} << 63, ~uint64_t{15}}) {
        EXPECT_EQ(refusal([&](Layout& l) { l.desc.value = wild; }), EFAULT) << wild;
        EXPECT_EQ(refusal([&](Layout& l) { l.driver.value = wild; }), EFAULT) << wild;
        EXPECT_EQ(refusal([&](Layout& l) { l.device.value = wild; }), EFAULT) << wild;
    }
}

TEST(VirtqueueTest, RingsMayEndWhereRamEnds) {
    EXPECT_EQ(refusal([](VirtqueueLayout& l) { l.desc.value = kRam - 256; }), 0);
    EXPECT_EQ(refusal([](VirtqueueLayout& l) { l.desc.value = kRam - 240; }), EFAULT);
    EXPECT_EQ(refusal([](VirtqueueLayout& l) { l.driver.value = kRam - 38; }), 0);
    EXPECT_EQ(refusal([](VirtqueueLayout& l) { l.driver.value = kRam - 36; }), EFAULT);
    // 4 + 8 * 16 + 2 bytes, 4-byte aligned.
    EXPECT_EQ(refusal([](VirtqueueLayout& l) { l.device.value = kRam - 136; }), 0);
    EXPECT_EQ(refusal([](VirtqueueLayout& l) { l.device.value = kRam - 132; }), EFAULT);
}

TEST(VirtqueueTest, CarriesChainsAroundTheRingAndThe16BitIndex) {
    Pair pair;
    for (uint32_t i = 0; i < 70000; ++i) {
        EXPECT_FALSE(pair.device.pop().value().has_value());
        const uint16_t head = pair.driver.add({{GuestAddress{0}, 1}});
        pair.driver.offer();
        ASSERT_EQ(pair.device.pop().value(), head);
        ASSERT_TRUE(pair.device.push(head, i).ok());
        ASSERT_TRUE(pair.device.publish().value());
        const auto used = pair.driver.take_used();
        ASSERT_TRUE(used.has_value());
        ASSERT_EQ(used->id, head);
        ASSERT_EQ(used->len, i);
    }
    EXPECT_EQ(pair.device.position(), (VirtqueuePosition{70000 - 65536, 70000 - 65536}));
}

TEST(VirtqueueTest, PublishesABatchAtOnceAndInTheOrderOfCompletion) {
    Pair pair;
    const uint16_t first = pair.offer_and_pop();
    const uint16_t second = pair.offer_and_pop();
    EXPECT_EQ(pair.device.in_flight(), 2);
    EXPECT_FALSE(pair.device.publish().value());  // nothing to tell
    ASSERT_TRUE(pair.device.push(second, 22).ok());
    ASSERT_TRUE(pair.device.push(first, 11).ok());
    EXPECT_EQ(pair.driver.used_idx(), 0);
    EXPECT_TRUE(pair.device.publish().value());
    EXPECT_EQ(pair.driver.used_idx(), 2);
    EXPECT_EQ(pair.driver.used_element(0).id, second);
    EXPECT_EQ(pair.driver.used_element(0).len, 22U);
    EXPECT_EQ(pair.driver.used_element(1).id, first);
    EXPECT_EQ(pair.device.in_flight(), 0);
    EXPECT_FALSE(pair.device.publish().value());
}

TEST(VirtqueueTest, ADriverOwnsNoMoreThanAQueueful) {
    for (const uint16_t jump : std::initializer_list<uint16_t>{5, 6, 0x7fff, 0x8000, 0xffff}) {
        Pair pair;
        pair.driver.set_avail_idx(jump);
        EXPECT_EQ(pair.device.pop().error().code, EPROTO) << jump;
        EXPECT_EQ(pair.device.enable_kicks().error().code, EPROTO) << jump;
    }
}

TEST(VirtqueueTest, ChainsInFlightCountAgainstTheQueueful) {
    Pair pair;
    const uint16_t head = pair.offer_and_pop();
    pair.offer_and_pop();
    pair.driver.set_avail_entry(2, 2);
    pair.driver.set_avail_idx(5);  // 3 more where there is room for 2
    EXPECT_EQ(pair.device.pop().error().code, EPROTO);
    ASSERT_TRUE(pair.device.push(head, 0).ok());  // now there is room
    EXPECT_TRUE(pair.device.pop().ok());
}

TEST(VirtqueueTest, TheAvailableIndexDoesNotGoBack) {
    Pair pair;
    pair.offer_and_pop();
    pair.offer_and_pop();
    pair.driver.set_avail_idx(1);
    EXPECT_EQ(pair.device.pop().error().code, EPROTO);
}

TEST(VirtqueueTest, RefusesHeadsThatAreNotOrAreAlreadyOut) {
    Pair pair;
    for (const uint16_t head : std::initializer_list<uint16_t>{4, 5, 0x8000, 0xffff}) {
        pair.driver.set_avail_entry(0, head);
        pair.driver.set_avail_idx(1);
        EXPECT_EQ(pair.device.pop().error().code, EPROTO) << head;
    }
    pair.driver.set_avail_entry(0, 3);
    pair.driver.set_avail_entry(1, 3);
    pair.driver.set_avail_idx(2);
    EXPECT_EQ(pair.device.pop().value(), 3);
    EXPECT_EQ(pair.device.pop().error().code, EPROTO);
    ASSERT_TRUE(pair.device.push(3, 0).ok());
    EXPECT_EQ(pair.device.pop().value(), 3);
}

TEST(VirtqueueTest, DescriptorsAreThoseOfTheTable) {
    Pair pair;
    pair.driver.set_desc(3, {0x1234, 56, 7, 2});
    EXPECT_EQ(pair.device.descriptor(3).value().addr, 0x1234U);
    EXPECT_EQ(pair.device.descriptor(3).value().next, 2);
    EXPECT_EQ(pair.device.descriptor(4).error().code, EPROTO);
}

TEST(VirtqueueTest, APopCanBeUndone) {
    Pair pair;
    const uint16_t first = pair.offer_and_pop();
    const uint16_t second = pair.offer_and_pop();
    pair.device.undo_pop(second);
    EXPECT_EQ(pair.device.in_flight(), 1);
    EXPECT_EQ(pair.device.pop().value(), second);
    pair.device.undo_pop(second);
    pair.device.undo_pop(first);
    EXPECT_EQ(pair.device.pop().value(), first);
}

TEST(VirtqueueTest, GoesOnWhereASavedQueueWas) {
    Pair pair(kEventIdx);
    for (int i = 0; i < 7; ++i) {
        ASSERT_TRUE(pair.device.push(pair.offer_and_pop(), 0).ok());
        ASSERT_TRUE(pair.device.publish().ok());
        pair.driver.take_used();
    }
    const uint16_t head = pair.driver.add({{GuestAddress{0}, 1}});
    pair.driver.offer();
    auto restored =
        Virtqueue::create(pair.ram.memory(), pair.driver.layout(), kEventIdx, pair.device.save());
    EXPECT_EQ(restored.value().pop().value(), head);
    ASSERT_TRUE(restored.value().push(head, 9).ok());
    EXPECT_TRUE(restored.value().publish().value());
    EXPECT_EQ(pair.driver.take_used()->len, 9U);
}

TEST(VirtqueueTest, ChainsThatASavedQueueHadComeAgainAndFirst) {
    Pair pair;
    std::array<uint16_t, 4> heads{};
    for (uint16_t& head : heads) head = pair.offer_and_pop();
    // The second is returned before the first, its descriptor offered anew.
    ASSERT_TRUE(pair.device.push(heads[1], 0).ok());
    ASSERT_TRUE(pair.device.publish().ok());
    pair.driver.take_used();
    const uint16_t fresh = pair.driver.add({{GuestAddress{0}, 1}});
    pair.driver.offer();

    const VirtqueueState state = pair.device.save();
    EXPECT_EQ(state.position, (VirtqueuePosition{.next_avail = 4, .next_used = 1}));
    EXPECT_EQ(state.out, (std::vector<uint16_t>{heads[0], heads[2], heads[3]}));
    auto made = Virtqueue::create(pair.ram.memory(), pair.driver.layout(), 0, state);
    ASSERT_TRUE(made.ok());
    Virtqueue& restored = made.value();
    EXPECT_TRUE(restored.enable_kicks().value());
    EXPECT_EQ(restored.pop().value(), heads[0]);
    EXPECT_EQ(restored.pop().value(), heads[2]);
    restored.undo_pop(heads[2]);
    EXPECT_EQ(restored.save(), state);
    EXPECT_EQ(restored.pop().value(), heads[2]);
    EXPECT_EQ(restored.pop().value(), heads[3]);
    restored.undo_pop(heads[3]);
    EXPECT_EQ(restored.pop().value(), heads[3]);
    EXPECT_EQ(restored.pop().value(), fresh);
    restored.undo_pop(fresh);
    EXPECT_EQ(restored.save(), state);
    EXPECT_EQ(restored.pop().value(), fresh);
    EXPECT_EQ(restored.pop().value(), std::nullopt);
    EXPECT_FALSE(restored.enable_kicks().value());
    for (const uint16_t head : heads) ASSERT_TRUE(restored.push(head, 0).ok());
    ASSERT_TRUE(restored.publish().ok());
    EXPECT_EQ(restored.save(), (VirtqueueState{.position = {5, 5}, .out = {}}));
}

TEST(VirtqueueTest, AStateThatNoQueueCanHaveIsRefused) {
    Pair pair;
    const auto refused = [&](const VirtqueueState& state) {
        const auto made =
            Virtqueue::create(pair.ram.memory(), pair.driver.layout(), kEventIdx, state);
        return made.ok() ? 0 : made.error().code;
    };
    EXPECT_EQ(refused({{3, 65535}, {0, 1, 2, 3}}), 0);
    EXPECT_EQ(refused({{1, 0}, {}}), EINVAL);
    EXPECT_EQ(refused({{0, 1}, {}}), EINVAL);
    EXPECT_EQ(refused({{1, 1}, {0}}), EINVAL);
    EXPECT_EQ(refused({{1, 0}, {4}}), EINVAL);
    EXPECT_EQ(refused({{1, 0}, {65535}}), EINVAL);
    EXPECT_EQ(refused({{2, 0}, {1, 1}}), EINVAL);
    EXPECT_EQ(refused({{5, 0}, {0, 1, 2, 3, 0}}), EINVAL);
}

// §2.7.7: notifying the driver.

TEST(VirtqueueTest, WithoutEventIdxTheDriversFlagDecides) {
    Pair pair;
    pair.driver.set_used_event(0x5555);  // "The device MUST ignore the used_event value."
    pair.driver.set_avail_flags(VIRTQ_AVAIL_F_NO_INTERRUPT);
    ASSERT_TRUE(pair.device.push(pair.offer_and_pop(), 0).ok());
    EXPECT_FALSE(pair.device.publish().value());
    pair.driver.set_avail_flags(0);
    ASSERT_TRUE(pair.device.push(pair.offer_and_pop(), 0).ok());
    EXPECT_TRUE(pair.device.publish().value());
}

// The specification's note: "if used_event is 0, then a device using VIRTIO_F_EVENT_IDX would send
// a used buffer notification to the driver after the first buffer is used (and again after the
// 65536th buffer, etc)." Counted from 0, as the index is: after buffers 0 and 65536.
TEST(VirtqueueTest, WithEventIdxTheSpecificationsExample) {
    Pair pair(kEventIdx);
    pair.driver.set_avail_flags(
        VIRTQ_AVAIL_F_NO_INTERRUPT);  // "MUST ignore the lower bit of flags"
    for (uint32_t i = 0; i < 3 * 65536; ++i) {
        const uint16_t head = pair.driver.add({{GuestAddress{0}, 1}});
        pair.driver.offer();
        ASSERT_EQ(pair.device.pop().value(), head);
        ASSERT_TRUE(pair.device.push(head, 0).ok());
        ASSERT_EQ(pair.device.publish().value(), i % 65536 == 0) << i;
        pair.driver.take_used();
        pair.driver.set_used_event(0);
    }
}

TEST(VirtqueueTest, WithEventIdxABatchNotifiesIfItPassesTheEvent) {
    struct Case {
        uint16_t event;
        bool notifies;
    };
    // The used ring goes from index 65534 to 1, by three elements: 65534, 65535 and 0.
    for (const auto& [event, notifies] : {Case{65533, false}, Case{65534, true}, Case{65535, true},
                                          Case{0, true}, Case{1, false}, Case{32768, false}}) {
        Pair pair(kEventIdx, {65534, 65534});
        pair.driver.set_used_event(event);
        for (uint16_t i = 0; i < 3; ++i) {
            pair.driver.set_avail_entry(static_cast<uint16_t>(65534 + i), i);
            pair.driver.set_avail_idx(static_cast<uint16_t>(65535 + i));
            ASSERT_TRUE(pair.device.push(*pair.device.pop().value(), 0).ok());
        }
        EXPECT_EQ(pair.device.publish().value(), notifies) << event;
        EXPECT_EQ(pair.driver.used_idx(), 1);
    }
}

// §2.7.10: being kicked.

TEST(VirtqueueTest, WithoutEventIdxTheDevicesFlagStopsKicks) {
    Pair pair;
    ASSERT_TRUE(pair.device.disable_kicks().ok());
    EXPECT_EQ(pair.driver.used_flags(), VIRTQ_USED_F_NO_NOTIFY);
    pair.driver.add({{GuestAddress{0}, 1}});
    EXPECT_FALSE(pair.driver.offer());
    // The race: the chain came before the wish, so no kick will come. We are told.
    EXPECT_TRUE(pair.device.enable_kicks().value());
    EXPECT_EQ(pair.driver.used_flags(), 0);
    pair.device.pop().value();
    EXPECT_FALSE(pair.device.enable_kicks().value());
    pair.driver.add({{GuestAddress{0}, 1}});
    EXPECT_TRUE(pair.driver.offer());
}

TEST(VirtqueueTest, WithEventIdxTheEventIndexStopsKicks) {
    Pair pair(kEventIdx);
    pair.driver.add({{GuestAddress{0}, 1}});
    EXPECT_TRUE(pair.driver.offer());  // avail_event is 0 at first: the first chain kicks
    ASSERT_TRUE(pair.device.disable_kicks().ok());
    EXPECT_EQ(pair.driver.used_flags(), 0);
    pair.driver.add({{GuestAddress{0}, 1}});
    EXPECT_FALSE(pair.driver.offer());
    pair.device.pop().value();
    EXPECT_TRUE(pair.device.enable_kicks().value());  // one more is there
    pair.device.pop().value();
    EXPECT_FALSE(pair.device.enable_kicks().value());
    EXPECT_EQ(pair.driver.avail_event(), 2);
    pair.driver.add({{GuestAddress{0}, 1}});
    EXPECT_TRUE(pair.driver.offer());
}

}  // namespace
