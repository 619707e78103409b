#include "virtio/chain.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "base/mapping.hpp"
#include "virtio/fake_driver.hpp"

namespace {

constexpr uint16_t kSize = 8;
constexpr uint32_t kTableBytes = 16 * (kSize + 1);
constexpr uint16_t kNext = VIRTQ_DESC_F_NEXT;
constexpr uint16_t kWrite = VIRTQ_DESC_F_WRITE;
constexpr uint16_t kIndirect = VIRTQ_DESC_F_INDIRECT;

std::string_view text(std::span<const std::byte> bytes) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ChainTest : public testing::Test {
protected:
    // RAM with a text in it.
    GuestAddress place(std::string_view words) {
        const GuestAddress at = ram_.allocate(words.size(), 1);
        std::memcpy(ram_.at(at, words.size()).data(), words.data(), words.size());
        return at;
    }

    void lay(std::initializer_list<virtq_desc> table) {
        uint16_t index = 0;
        for (const virtq_desc& desc : table) driver_.set_desc(index++, desc);
    }
    virtq_desc indirect(std::initializer_list<virtq_desc> table, uint16_t flags = kIndirect) {
        const GuestAddress at = ram_.allocate(16 * table.size());
        uint64_t index = 0;
        for (const virtq_desc& desc : table) ram_.store(at + 16 * index++, desc);
        return {at.value, static_cast<uint32_t>(16 * table.size()), flags, 0};
    }

    Result<Chain> walk(uint16_t head = 0) { return Chain::walk(queue_, head, storage_); }
    int refusal(uint16_t head = 0) {
        const Result<Chain> chain = walk(head);
        return chain.ok() ? 0 : chain.error().code;
    }

    FakeRam ram_{1 << 16};
    FakeQueue driver_{ram_, kSize, 0};
    Virtqueue queue_ =
        Virtqueue::create(ram_.memory(), driver_.layout(), feature(VIRTIO_F_INDIRECT_DESC)).value();
    std::array<Segment, kSize> storage_{};
};

TEST_F(ChainTest, FollowsNextAndSplitsReadableFromWritable) {
    lay({{0x100, 10, kNext, 5},
         {},
         {0x300, 30, kNext | kWrite, 4},
         {},
         {0x400, 40, kWrite, 0},
         {0x200, 20, kNext, 2}});
    const Chain chain = walk().value();
    EXPECT_EQ(chain.head(), 0);
    ASSERT_EQ(chain.readable().segments().size(), 2U);
    EXPECT_EQ(chain.readable().segments()[1].at.value, 0x200U);
    EXPECT_EQ(chain.readable().size_bytes(), 30U);
    ASSERT_EQ(chain.writable().segments().size(), 2U);
    EXPECT_EQ(chain.writable().segments()[0].at.value, 0x300U);
    EXPECT_EQ(chain.writable().size_bytes(), 70U);
}

TEST_F(ChainTest, AChainMayHaveOnePartOnly) {
    lay({{0x100, 10, 0, 0}, {0x100, 10, kWrite, 0}});
    EXPECT_EQ(walk(0).value().writable().size_bytes(), 0U);
    EXPECT_EQ(walk(1).value().readable().size_bytes(), 0U);
    EXPECT_EQ(walk(1).value().writable().size_bytes(), 10U);
}

TEST_F(ChainTest, NextWithoutItsFlagIsNothing) {
    lay({{0x100, 10, 0, 77}});
    EXPECT_EQ(refusal(), 0);
}

TEST_F(ChainTest, AChainAsLongAsTheQueueIsGood) {
    for (uint16_t i = 0; i < kSize; ++i)
        driver_.set_desc(
            i, {0x100, 1, i + 1 < kSize ? kNext : uint16_t{0}, static_cast<uint16_t>(i + 1)});
    EXPECT_EQ(walk().value().readable().size_bytes(), kSize);
}

TEST_F(ChainTest, LoopsEnd) {
    lay({{0x100, 1, kNext, 0}});
    EXPECT_EQ(refusal(), EPROTO);
    lay({{0x100, 1, kNext, 1}, {0x100, 1, kNext, 2}, {0x100, 1, kNext, 1}});
    EXPECT_EQ(refusal(), EPROTO);
    lay({indirect({{0x100, 1, kNext, 1}, {0x100, 1, kNext, 0}})});
    EXPECT_EQ(refusal(), EPROTO);
}

TEST_F(ChainTest, IndexesStayInTheTable) {
    lay({{0x100, 1, kNext, kSize}});
    EXPECT_EQ(refusal(), EPROTO);
    EXPECT_EQ(refusal(kSize), EPROTO);
    lay({{0x100, 1, kNext, 0xffff}});
    EXPECT_EQ(refusal(), EPROTO);
    virtq_desc table = indirect({{0x100, 1, kNext, 1}, {0x100, 1, 0, 0}});
    lay({table});
    EXPECT_EQ(refusal(), 0);
    table.len = 16;  // a good descriptor behind the end is not of the table
    lay({table});
    EXPECT_EQ(refusal(), EPROTO);
}

TEST_F(ChainTest, ReadableAfterWritableIsRefused) {
    lay({{0x100, 1, kNext | kWrite, 1}, {0x100, 1, 0, 0}});
    EXPECT_EQ(refusal(), EPROTO);
}

TEST_F(ChainTest, EmptyDescriptorsAreRefused) {
    lay({{0x100, 1, kNext, 1}, {0x100, 0, kWrite, 0}});
    EXPECT_EQ(refusal(), EPROTO);
    lay({indirect({{0x100, 0, 0, 0}})});
    EXPECT_EQ(refusal(), EPROTO);
}

TEST_F(ChainTest, WildAddressesAreRefused) {
    for (const uint64_t wild :
         {uint64_t{1} << 16, uint64_t{0xffff}, ~uint64_t{0}, ~uint64_t{0} - 1, uint64_t{1} << 63}) {
        lay({{wild, 2, 0, 0}});
        EXPECT_EQ(refusal(), EFAULT) << wild;
        lay({indirect({{wild, 2, kWrite, 0}})});
        EXPECT_EQ(refusal(), EFAULT) << wild;
        lay({{wild, 32, kIndirect, 0}});
        EXPECT_EQ(refusal(), EFAULT) << wild;
    }
    // A table that would wrap around to address 0.
    lay({{~uint64_t{0} - 15, 0x100, kIndirect, 0}});
    EXPECT_EQ(refusal(), EFAULT);
}

TEST_F(ChainTest, DescriptorsMayOverlap) {
    lay({{0x100, 16, kNext, 1}, {0x108, 16, kNext, 2}, {0x100, 32, kWrite, 0}});
    EXPECT_EQ(walk().value().readable().size_bytes(), 32U);
}

TEST_F(ChainTest, SmallStorageIsToldApartFromABadChain) {
    lay({{0x100, 1, kNext, 1}, {0x100, 1, kNext, 2}, {0x100, 1, 0, 0}});
    EXPECT_EQ(Chain::walk(queue_, 0, std::span(storage_).first(2)).error().code, ENOBUFS);
    EXPECT_TRUE(Chain::walk(queue_, 0, std::span(storage_).first(3)).ok());
}

// §2.7.5.3

TEST_F(ChainTest, IndirectTablesStartAtTheirFirstEntry) {
    lay({indirect({{0x100, 1, kNext, 2}, {}, {0x200, 2, kWrite, 0}})});
    const Chain chain = walk().value();
    EXPECT_EQ(chain.readable().size_bytes(), 1U);
    EXPECT_EQ(chain.writable().size_bytes(), 2U);
}

// "The device MUST handle the case of zero or more normal chained descriptors followed by a single
// descriptor with flags&VIRTQ_DESC_F_INDIRECT."
TEST_F(ChainTest, DirectDescriptorsMayComeBeforeAnIndirectOne) {
    lay({{0x100, 1, kNext, 1},
         {0x100, 2, kNext, 2},
         indirect({{0x100, 4, kNext, 1}, {0x100, 8, kWrite, 0}})});
    EXPECT_EQ(walk().value().readable().size_bytes(), 7U);
    EXPECT_EQ(walk().value().writable().size_bytes(), 8U);
}

// "The device MUST ignore the write-only flag in the descriptor that refers to an indirect table."
TEST_F(ChainTest, TheWriteFlagOfAnIndirectDescriptorIsIgnored) {
    lay({indirect({{0x100, 4, 0, 0}}, kIndirect | kWrite)});
    EXPECT_EQ(walk().value().readable().size_bytes(), 4U);
}

TEST_F(ChainTest, IndirectTablesAreAsTheSpecificationWantsThem) {
    virtq_desc table = indirect({{0x100, 1, kNext, 1}, {0x100, 1, 0, 0}});
    for (const uint32_t length : {0U, 8U, 17U, 31U, 33U}) {
        table.len = length;
        lay({table});
        EXPECT_EQ(refusal(), EPROTO) << length;
    }
    lay({indirect({{0x100, 1, 0, 0}}, kIndirect | kNext)});
    EXPECT_EQ(refusal(), EPROTO);
    lay({indirect({indirect({{0x100, 1, 0, 0}})})});
    EXPECT_EQ(refusal(), EPROTO);
}

TEST_F(ChainTest, AnIndirectChainIsNoLongerThanTheQueue) {
    const GuestAddress table = ram_.allocate(kTableBytes);
    for (uint16_t i = 0; i <= kSize; ++i)
        ram_.store(table + 16UL * i, virtq_desc{0x100, 1, i < kSize ? kNext : uint16_t{0},
                                                static_cast<uint16_t>(i + 1)});
    lay({{table.value, kTableBytes, kIndirect, 0}});
    EXPECT_EQ(refusal(), EPROTO);
    ram_.store(table + 16UL * (kSize - 1), virtq_desc{0x100, 1, 0, 0});
    EXPECT_EQ(refusal(), 0);
}

TEST_F(ChainTest, IndirectTablesMustHaveBeenNegotiated) {
    queue_ = Virtqueue::create(ram_.memory(), driver_.layout(), 0).value();
    lay({indirect({{0x100, 1, 0, 0}})});
    EXPECT_EQ(refusal(), EPROTO);
}

// §2.7.5.2: no chain is longer than 2^32 bytes. Address space only: nothing is touched.
TEST(ChainLengthTest, StaysBelow4GiB) {
    constexpr size_t kGiB = 1 << 30;
    Mapping ram = Mapping::anonymous(2 * kGiB).value();
    const GuestMemory memory(ram.bytes());
    const VirtqueueLayout layout{.size = 4, .desc = {0}, .driver = {0x100}, .device = {0x200}};
    const Virtqueue queue = Virtqueue::create(memory, layout, 0).value();
    std::array<Segment, 4> storage{};
    const auto walk_with_last = [&](uint32_t length) {
        for (uint16_t i = 0; i < 4; ++i)
            EXPECT_TRUE(
                memory.write(GuestAddress{16UL * i}, virtq_desc{kGiB, kGiB, kNext, uint16_t(i + 1)})
                    .ok());
        EXPECT_TRUE(memory.write(GuestAddress{48}, virtq_desc{kGiB, length, 0, 0}).ok());
        return Chain::walk(queue, 0, storage);
    };
    EXPECT_EQ(walk_with_last(kGiB).error().code, EPROTO);
    EXPECT_EQ(walk_with_last(kGiB - 1).value().readable().size_bytes(), 0xffffffffU);
}

// §2.7.4: where the driver cuts carries no meaning.

TEST_F(ChainTest, CopiesOutAcrossTheCuts) {
    lay({{place("may").value, 3, kNext, 1},
         {place("f").value, 1, kNext, 2},
         {place("lies").value, 4, 0, 0}});
    const Chain chain = walk().value();
    std::array<std::byte, 5> five{};
    ASSERT_TRUE(chain.readable().copy_out(2, five).ok());
    EXPECT_EQ(text(five), "yflie");
    EXPECT_EQ(chain.readable().read<uint16_t>(6).value(), 'e' | 's' << 8);
    EXPECT_EQ(chain.readable().read<uint16_t>(7).error().code, EPROTO);
    EXPECT_EQ(chain.readable().copy_out(0xffffffff, five).error().code, EPROTO);
    EXPECT_TRUE(chain.readable().copy_out(8, {}).ok());
}

TEST_F(ChainTest, CopiesInAcrossTheCuts) {
    const GuestAddress first = place("aaa");
    const GuestAddress second = place("bbb");
    lay({{first.value, 3, kNext | kWrite, 1}, {second.value, 2, kWrite, 0}});
    const Chain chain = walk().value();
    ASSERT_TRUE(chain.writable().write(2, uint16_t{'X' | 'Y' << 8}).ok());
    EXPECT_EQ(text(ram_.at(first, 3)), "aaX");
    EXPECT_EQ(text(ram_.at(second, 3)), "Ybb");
    EXPECT_EQ(chain.writable().write(4, uint16_t{0}).error().code, EPROTO);
    EXPECT_EQ(text(ram_.at(second, 3)), "Ybb");  // nothing of it was written
}

TEST_F(ChainTest, GathersARangeForTheKernel) {
    lay({{0x100, 10, kNext, 1}, {0x200, 20, kNext, 2}, {0x300, 30, 0, 0}});
    const Chain chain = walk().value();
    std::array<iovec, 3> vectors{};
    const auto middle = chain.readable().gather(10, 21, vectors).value();
    ASSERT_EQ(middle.size(), 2U);
    EXPECT_EQ(middle[0].iov_base, ram_.at({0x200}, 1).data());
    EXPECT_EQ(middle[0].iov_len, 20U);
    EXPECT_EQ(middle[1].iov_base, ram_.at({0x300}, 1).data());
    EXPECT_EQ(middle[1].iov_len, 1U);
    EXPECT_EQ(chain.readable().gather(5, 0, vectors).value().size(), 0U);
    EXPECT_EQ(chain.readable().gather(0, 60, vectors).value().size(), 3U);
    EXPECT_EQ(chain.readable().gather(0, 61, vectors).error().code, EPROTO);
    EXPECT_EQ(chain.readable().gather(0, 60, std::span(vectors).first(2)).error().code, ENOBUFS);
}

TEST_F(ChainTest, LocatesAByte) {
    lay({{0x100, 1, kNext, 1}, {0x200, 10, kNext | kWrite, 2}, {0x300, 1, kWrite, 0}});
    const Chain chain = walk().value();
    EXPECT_EQ(chain.writable().locate(9).value().value, 0x209U);
    EXPECT_EQ(chain.writable().locate(10).value().value, 0x300U);
    EXPECT_EQ(chain.writable().locate(11).error().code, EPROTO);
}

#ifndef __SANITIZE_THREAD__  // the race is the point

// The driver changes a descriptor while we walk: what is checked is what is used.
TEST_F(ChainTest, AChangingDescriptorIsReadOnce) {
    const std::jthread guest([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            driver_.set_desc(0, {0x100, 0x40, kWrite, 0});
            driver_.set_desc(0, {~uint64_t{0} - 4, 0xffffffff, kNext, 0xffff});
        }
    });
    for (int i = 0; i < 200000; ++i) {
        const Result<Chain> chain = walk();
        if (!chain.ok()) continue;
        for (const ChainPart* part : std::initializer_list<const ChainPart*>{
                 &chain.value().readable(), &chain.value().writable()})
            for (const Segment& segment : part->segments())
                ASSERT_TRUE(ram_.memory().contains(segment.at, segment.length));
    }
}

#endif

}  // namespace
