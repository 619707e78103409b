#include "monitor/boot/boot_params.hpp"

#include <gtest/gtest.h>
#include <string>

#include "monitor/boot/test_images.hpp"

namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
constexpr uint64_t kZeroPage = 0x7000;
constexpr uint64_t kStartInfo = 0x6000;

class BootParams : public testing::Test {
protected:
    explicit BootParams(uint64_t ram_bytes = 128 * kMiB)
        : ram_(std::move(GuestRam::create(ram_bytes)).value()) {}

    Result<> write(const LoadedKernel& kernel, const BootInfo& info) const {
        return write_boot_params(ram_.memory(), ram_.regions(), kernel, info);
    }
    static LoadedKernel kernel_of(BootProtocol protocol) {
        LoadedKernel kernel;
        kernel.protocol = protocol;
        return kernel;
    }
    template <typename T>
    uint64_t at(uint64_t address) const {
        return ram_.memory().read<T>(GuestAddress{address}).value();
    }

    GuestRam ram_;
};

class LargeBootParams : public BootParams {
protected:
    LargeBootParams() : BootParams(5 * kGiB) {}
};

struct Range {
    uint64_t start, size, type;
    bool operator==(const Range&) const = default;
};

const std::vector<Range> kMapOf128MiB = {
    {0, 0x9fc00, 1}, {0x9fc00, 0x60400, 2}, {0x100000, 127 * kMiB, 1}};
const std::vector<Range> kMapOf5GiB = {{0, 0x9fc00, 1},
                                       {0x9fc00, 0x60400, 2},
                                       {0x100000, 3 * kGiB - kMiB, 1},
                                       {4 * kGiB, 2 * kGiB, 1}};

std::vector<Range> read_map(const GuestMemory& memory, uint64_t at, uint64_t count,
                            uint64_t entry_bytes) {
    std::vector<Range> map;
    for (uint64_t i = 0; i < count; ++i, at += entry_bytes)
        map.push_back({memory.read<uint64_t>(GuestAddress{at}).value(),
                       memory.read<uint64_t>(GuestAddress{at + 8}).value(),
                       memory.read<uint32_t>(GuestAddress{at + 16}).value()});
    return map;
}

TEST_F(BootParams, CommandLineEndsInANul) {
    ASSERT_TRUE(ram_.memory().write(GuestAddress{0x6800}, uint64_t{UINT64_MAX}).ok());
    ASSERT_TRUE(write(kernel_of(BootProtocol::kPvh), {.command_line = "quiet"}).ok());
    EXPECT_EQ(at<uint64_t>(0x6800), 0xffff007465697571U);
}

TEST_F(BootParams, CommandLineHasItsLimits) {
    const std::string longest(2047, 'a');
    for (const auto protocol :
         {BootProtocol::kPvh, BootProtocol::kLinux64, BootProtocol::kUser64}) {
        const LoadedKernel kernel = kernel_of(protocol);
        EXPECT_TRUE(write(kernel, {.command_line = longest}).ok());
        EXPECT_EQ(at<uint16_t>(0x6800 + 2046), uint64_t{'a'});
        EXPECT_FALSE(write(kernel, {.command_line = longest + "a"}).ok());
        EXPECT_FALSE(write(kernel, {.command_line = {"a\0b", 3}}).ok());
        EXPECT_TRUE(write(kernel, {}).ok());
    }
}

TEST_F(BootParams, ABzImagesOwnCommandLineLimitHolds) {
    TestImage image = bz::build(3);
    image.put<uint32_t>(bz::kCmdlineSize, 255);
    const auto kernel = load_kernel(image.embedded(), ram_);
    EXPECT_TRUE(write(kernel.value(), {.command_line = std::string(255, 'a')}).ok());
    const std::string longer(256, 'a');
    const auto refused = write(kernel.value(), {.command_line = longer});
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(line_of(refused.error()).find("0x100: is longer than this kernel's cmdline_size"),
              std::string::npos);
}

TEST_F(BootParams, PvhStartInfo) {
    ASSERT_TRUE(write(kernel_of(BootProtocol::kPvh),
                      {.command_line = "x",
                       .initrd = LoadedInitrd{GuestAddress{0x7000000}, 0x12345},
                       .rsdp = GuestAddress{0xe0000}})
                    .ok());
    EXPECT_EQ(at<uint32_t>(kStartInfo), 0x336ec578U);
    EXPECT_EQ(at<uint32_t>(kStartInfo + 4), 1U);
    EXPECT_EQ(at<uint32_t>(kStartInfo + 8), 0U);
    ASSERT_EQ(at<uint32_t>(kStartInfo + 12), 1U);
    EXPECT_EQ(at<uint64_t>(kStartInfo + 24), 0x6800U);
    EXPECT_EQ(at<uint64_t>(kStartInfo + 32), 0xe0000U);
    EXPECT_EQ(at<uint32_t>(kStartInfo + 52), 0U);
    const uint64_t module = at<uint64_t>(kStartInfo + 16);
    EXPECT_GE(module, kStartInfo + 56);
    EXPECT_EQ(at<uint64_t>(module), 0x7000000U);
    EXPECT_EQ(at<uint64_t>(module + 8), 0x12345U);
    EXPECT_EQ(at<uint64_t>(module + 16), 0U);
    const uint64_t map = at<uint64_t>(kStartInfo + 40);
    EXPECT_GE(map, module + 32);
    EXPECT_EQ(read_map(ram_.memory(), map, at<uint32_t>(kStartInfo + 48), 24), kMapOf128MiB);
}

TEST_F(LargeBootParams, User64StartInfoWithoutExtras) {
    ASSERT_TRUE(write(kernel_of(BootProtocol::kUser64), {}).ok());
    EXPECT_EQ(at<uint32_t>(kStartInfo), 0x336ec578U);
    EXPECT_EQ(at<uint32_t>(kStartInfo + 12), 0U);
    EXPECT_EQ(at<uint64_t>(kStartInfo + 16), 0U);
    EXPECT_EQ(at<uint64_t>(kStartInfo + 32), 0U);
    EXPECT_EQ(
        read_map(ram_.memory(), at<uint64_t>(kStartInfo + 40), at<uint32_t>(kStartInfo + 48), 24),
        kMapOf5GiB);
    EXPECT_TRUE(is_zero(ram_.memory(), kZeroPage, 0x1000));
}

TEST_F(LargeBootParams, ZeroPageOfAnElf) {
    ASSERT_TRUE(write(kernel_of(BootProtocol::kLinux64), {.rsdp = GuestAddress{0xe0000}}).ok());
    EXPECT_EQ(at<uint64_t>(kZeroPage + 0x70), 0xe0000U);
    EXPECT_EQ(at<uint16_t>(kZeroPage + 0x1fe), 0xaa55U);
    EXPECT_EQ(at<uint32_t>(kZeroPage + 0x202), 0x53726448U);
    EXPECT_EQ(at<uint8_t>(kZeroPage + 0x210), 0xffU);
    EXPECT_EQ(at<uint32_t>(kZeroPage + 0x218), 0U);
    EXPECT_EQ(at<uint32_t>(kZeroPage + 0x228), 0x6800U);
    EXPECT_EQ(at<uint8_t>(kZeroPage + 0x1ef), 0U);
    EXPECT_EQ(read_map(ram_.memory(), kZeroPage + 0x2d0, at<uint8_t>(kZeroPage + 0x1e8), 20),
              kMapOf5GiB);
    EXPECT_TRUE(is_zero(ram_.memory(), kStartInfo, 0x1000));
}

TEST_F(BootParams, ZeroPageOfABzImageCarriesItsHeader) {
    TestImage image = bz::build(3);
    image.put<uint8_t>(0x1ef, 0xff).put<uint8_t>(0x26b, 0xab).put<uint8_t>(0x26c, 0xcd);
    const auto kernel = load_kernel(image.embedded(), ram_);
    ASSERT_TRUE(
        write(kernel.value(), {.initrd = LoadedInitrd{GuestAddress{0x7000000}, 0x12345}}).ok());
    EXPECT_EQ(at<uint32_t>(kZeroPage + 0x202), 0x53726448U);
    EXPECT_EQ(at<uint16_t>(kZeroPage + 0x206), 0x20fU);
    EXPECT_EQ(at<uint64_t>(kZeroPage + 0x258), 0x100000U);
    // What is before and behind the header in the file stays there, the sentinel above all.
    EXPECT_EQ(at<uint8_t>(kZeroPage + 0x1ef), 0U);
    EXPECT_EQ(at<uint16_t>(kZeroPage + 0x26b), 0xabU);
    // The loader's fields.
    EXPECT_EQ(at<uint8_t>(kZeroPage + 0x210), 0xffU);
    EXPECT_EQ(at<uint8_t>(kZeroPage + 0x211), 0x01U);
    EXPECT_EQ(at<uint32_t>(kZeroPage + 0x214), 0x100000U);
    EXPECT_EQ(at<uint32_t>(kZeroPage + 0x218), 0x7000000U);
    EXPECT_EQ(at<uint32_t>(kZeroPage + 0x21c), 0x12345U);
    EXPECT_EQ(at<uint32_t>(kZeroPage + 0x228), 0x6800U);
    EXPECT_EQ(at<uint64_t>(kZeroPage + 0x250), 0U);
    EXPECT_EQ(at<uint64_t>(kZeroPage + 0x70), 0U);
    EXPECT_EQ(read_map(ram_.memory(), kZeroPage + 0x2d0, at<uint8_t>(kZeroPage + 0x1e8), 20),
              kMapOf128MiB);
}

TEST_F(BootParams, AnOverlongSetupHeaderStopsShortOfTheMemoryMap) {
    LoadedKernel kernel = kernel_of(BootProtocol::kLinux64);
    kernel.setup_header.assign(0x2000, std::byte{0x11});
    ASSERT_TRUE(write(kernel, {}).ok());
    EXPECT_EQ(at<uint16_t>(kZeroPage + 0x28f), 0x11U);
    EXPECT_EQ(read_map(ram_.memory(), kZeroPage + 0x2d0, at<uint8_t>(kZeroPage + 0x1e8), 20),
              kMapOf128MiB);
}

TEST(TinyBootParams, RamWithoutRoomForThemIsAnError) {
    const GuestRam ram = std::move(GuestRam::create(0x6000)).value();
    const auto written = write_boot_params(ram.memory(), ram.regions(), LoadedKernel{}, {});
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, EFAULT);
}

}  // namespace
