#include "monitor/ports/bus.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <vector>

namespace {

// Remembers what it was asked, answers reads with the offset.
class Probe final : public PortDevice {
public:
    struct Access {
        uint16_t offset;
        size_t bytes;
        unsigned width;
        bool operator==(const Access&) const = default;
    };

    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override {
        reads.push_back({offset, data.size(), width});
        for (std::byte& byte : data) byte = static_cast<std::byte>(offset);
    }
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override {
        writes.push_back({offset, data.size(), width});
    }

    std::vector<Access> reads;
    std::vector<Access> writes;
};

uint32_t read(const PortBus& bus, uint16_t port, unsigned width) {
    std::array<std::byte, 4> data{};
    bus.in(port, std::span(data).first(width), width);
    uint32_t value = 0;
    std::memcpy(&value, data.data(), sizeof(value));
    return value;
}

TEST(PortBus, NobodyReadsAsOnesAndSwallowsWrites) {
    const PortBus bus;
    EXPECT_EQ(read(bus, 0x80, 1), 0xffU);
    EXPECT_EQ(read(bus, 0xcfc, 2), 0xffffU);
    EXPECT_EQ(read(bus, 0xffff, 4), 0xffffffffU);
    bus.out(0x80, std::array{std::byte{1}}, 1);
}

TEST(PortBus, PassesOffsetsFromTheDevicesBase) {
    PortBus bus;
    Probe first;
    Probe second;
    ASSERT_TRUE(bus.add(0x3f8, 8, first).ok());
    ASSERT_TRUE(bus.add(0x3f0, 8, second).ok());
    EXPECT_EQ(read(bus, 0x3ff, 1), 7U);
    EXPECT_EQ(read(bus, 0x3f7, 1), 7U);
    std::array<std::byte, 64> string{};
    bus.out(0x3f8, string, 2);
    bus.in(0x3f2, string, 4);
    EXPECT_EQ(first.reads, (std::vector<Probe::Access>{{7, 1, 1}}));
    EXPECT_EQ(first.writes, (std::vector<Probe::Access>{{0, 64, 2}}));
    EXPECT_EQ(second.reads, (std::vector<Probe::Access>{{7, 1, 1}, {2, 64, 4}}));
    EXPECT_TRUE(second.writes.empty());
}

TEST(PortBus, AnAccessAcrossTheEndOfADeviceIsNobodys) {
    PortBus bus;
    Probe probe;
    ASSERT_TRUE(bus.add(0xf4, 4, probe).ok());
    EXPECT_EQ(read(bus, 0xf5, 4), 0xffffffffU);
    EXPECT_EQ(read(bus, 0xf7, 2), 0xffffU);
    EXPECT_EQ(read(bus, 0xf3, 2), 0xffffU);
    EXPECT_EQ(read(bus, 0xf8, 1), 0xffU);
    EXPECT_TRUE(probe.reads.empty());
    EXPECT_EQ(read(bus, 0xf6, 2), 0x0202U);
    EXPECT_EQ(read(bus, 0xf4, 4), 0U);
}

TEST(PortBus, ADeviceMayAnswerInParts) {
    PortBus bus;
    Probe parted;
    Probe between;
    ASSERT_TRUE(bus.add(0x60, 1, parted).ok());
    ASSERT_TRUE(bus.add(0x61, 1, between).ok());
    ASSERT_TRUE(bus.add(0x62, 3, parted, 2).ok());
    EXPECT_EQ(read(bus, 0x60, 1), 0U);
    EXPECT_EQ(read(bus, 0x64, 1), 4U);
    EXPECT_EQ(read(bus, 0x62, 2), 0x0202U);
    EXPECT_EQ(read(bus, 0x61, 1), 0U);
    EXPECT_EQ(parted.reads, (std::vector<Probe::Access>{{0, 1, 1}, {4, 1, 1}, {2, 2, 2}}));
    EXPECT_EQ(between.reads, (std::vector<Probe::Access>{{0, 1, 1}}));
    EXPECT_EQ(bus.add(0x64, 1, between).error().code, EEXIST);
}

TEST(PortBus, RefusesOverlaps) {
    PortBus bus;
    Probe probe;
    ASSERT_TRUE(bus.add(0x60, 5, probe).ok());
    EXPECT_EQ(bus.add(0x64, 1, probe).error().code, EEXIST);
    EXPECT_EQ(bus.add(0x5f, 2, probe).error().code, EEXIST);
    EXPECT_EQ(bus.add(0x00, 0xffff, probe).error().code, EEXIST);
    EXPECT_EQ(bus.add(0x62, 1, probe).error().code, EEXIST);
    EXPECT_TRUE(bus.add(0x65, 1, probe).ok());
    EXPECT_TRUE(bus.add(0x5f, 1, probe).ok());
}

TEST(PortBus, RefusesWhatIsNoRange) {
    PortBus bus;
    Probe probe;
    EXPECT_EQ(bus.add(0x60, 0, probe).error().code, EINVAL);
    EXPECT_EQ(bus.add(0xffff, 2, probe).error().code, EINVAL);
    EXPECT_TRUE(bus.add(0xffff, 1, probe).ok());
    EXPECT_EQ(read(bus, 0xffff, 1), 0U);
    EXPECT_EQ(read(bus, 0xffff, 2), 0xffffU);
}

TEST(PortBus, IsFullAtSomePoint) {
    PortBus bus;
    Probe probe;
    for (uint16_t i = 0; i < PortBus::kMaxRanges; ++i) ASSERT_TRUE(bus.add(i, 1, probe).ok());
    EXPECT_EQ(bus.add(0x100, 1, probe).error().code, ENOSPC);
}

}  // namespace
