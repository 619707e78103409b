#include "monitor/boot/command_line.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace {

TEST(CommandLine, FindsWholeWordsOnly) {
    EXPECT_TRUE(has_word("quiet acpi=off", "acpi=off"));
    EXPECT_TRUE(has_word("acpi=off", "acpi=off"));
    EXPECT_FALSE(has_word("acpi=offline", "acpi=off"));
    EXPECT_FALSE(has_word("noacpi=off", "acpi=off"));
    EXPECT_TRUE(has_word("noacpi=off acpi=off x", "acpi=off"));
}

std::string with_devices(std::string_view given, uint32_t devices) {
    return whole_command_line(given, {.virtio_devices = devices});
}

TEST(CommandLine, IsLeftAloneWithoutDevices) {
    EXPECT_EQ(with_devices("a b", 0), "a b");
    EXPECT_EQ(with_devices("", 0), "");
    EXPECT_EQ(with_devices("a -- b", 0), "a -- b");
}

TEST(CommandLine, TellsOfEachWindow) {
    EXPECT_EQ(with_devices("a", 2),
              "a virtio_mmio.device=4K@0xc0001000:5 virtio_mmio.device=4K@0xc0002000:6");
    EXPECT_EQ(with_devices("", 1), "virtio_mmio.device=4K@0xc0001000:5");
}

TEST(CommandLine, LeavesInitItsWords) {
    EXPECT_EQ(with_devices("a -- b", 1), "a virtio_mmio.device=4K@0xc0001000:5 -- b");
    EXPECT_EQ(with_devices("-- b", 1), "virtio_mmio.device=4K@0xc0001000:5 -- b");
    EXPECT_EQ(with_devices("a--b --", 1), "a--b virtio_mmio.device=4K@0xc0001000:5 --");
}

TEST(CommandLine, NamesTheRoot) {
    EXPECT_EQ(whole_command_line("a", {.root = RootDrive{}}), "a root=/dev/vda rw");
    EXPECT_EQ(whole_command_line(
                  "a -- b", {.root = RootDrive{.partuuid = "x", .access = RootAccess::kReadOnly}}),
              "a root=PARTUUID=x ro -- b");
}

TEST(CommandLine, HasTheNetworkInFront) {
    EXPECT_EQ(whole_command_line("a -- b", {.network = "mayfly.net=n", .root = RootDrive{}}),
              "mayfly.net=n a root=/dev/vda rw -- b");
    EXPECT_EQ(whole_command_line("", {.network = "mayfly.net=n"}), "mayfly.net=n");
}

TEST(CommandLine, TakesWordsForInit) {
    EXPECT_EQ(with_init_arguments("a", {}), "a");
    EXPECT_EQ(with_init_arguments("", std::array{"x"}), "-- x");
    EXPECT_EQ(with_init_arguments("a", std::array{"x", "y"}), "a -- x y");
}

}  // namespace
