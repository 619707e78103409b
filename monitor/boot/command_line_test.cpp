#include "monitor/boot/command_line.hpp"

#include <gtest/gtest.h>

namespace {

TEST(CommandLine, FindsWholeWordsOnly) {
    EXPECT_TRUE(has_word("quiet acpi=off", "acpi=off"));
    EXPECT_TRUE(has_word("acpi=off", "acpi=off"));
    EXPECT_FALSE(has_word("acpi=offline", "acpi=off"));
    EXPECT_FALSE(has_word("noacpi=off", "acpi=off"));
    EXPECT_TRUE(has_word("noacpi=off acpi=off x", "acpi=off"));
}

TEST(CommandLine, IsLeftAloneWithoutDevices) {
    EXPECT_EQ(announce_devices("a b", 0), "a b");
    EXPECT_EQ(announce_devices("", 0), "");
    EXPECT_EQ(announce_devices("a -- b", 0), "a -- b");
}

TEST(CommandLine, TellsOfEachWindow) {
    EXPECT_EQ(announce_devices("a", 2),
              "a virtio_mmio.device=4K@0xc0001000:5 virtio_mmio.device=4K@0xc0002000:6");
    EXPECT_EQ(announce_devices("", 1), "virtio_mmio.device=4K@0xc0001000:5");
}

TEST(CommandLine, LeavesInitItsWords) {
    EXPECT_EQ(announce_devices("a -- b", 1), "a virtio_mmio.device=4K@0xc0001000:5 -- b");
    EXPECT_EQ(announce_devices("-- b", 1), "virtio_mmio.device=4K@0xc0001000:5 -- b");
    EXPECT_EQ(announce_devices("a--b --", 1), "a--b virtio_mmio.device=4K@0xc0001000:5 --");
}

}  // namespace
