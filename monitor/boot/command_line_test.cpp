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
    EXPECT_TRUE(has_word("quiet\tacpi=off\n", "acpi=off"));
    EXPECT_FALSE(has_word("", "acpi=off"));
}

// Linux lib/cmdline.c, next_arg(): blanks inside double quotes end no word; nothing escapes a
// quote.
TEST(CommandLine, ReadsQuotesAsLinuxDoes) {
    EXPECT_FALSE(has_word(R"(a="b acpi=off c")", "acpi=off"));
    EXPECT_FALSE(has_word(R"("b acpi=off c" d)", "acpi=off"));
    EXPECT_TRUE(has_word(R"(a="b c" acpi=off)", "acpi=off"));
    EXPECT_TRUE(has_word(R"(a="b\" acpi=off)", "acpi=off"));
    EXPECT_TRUE(has_word(R"(a "acpi=off" b)", "acpi=off"));
    EXPECT_FALSE(has_word("a -- acpi=off", "acpi=off"));
    EXPECT_TRUE(has_word(R"(a="b -- c" acpi=off)", "acpi=off"));
    EXPECT_TRUE(has_word("a=\"b\xa0-- c\" acpi=off", "acpi=off"));

    EXPECT_FALSE(has_open_quote(""));
    EXPECT_FALSE(has_open_quote(R"(a="b -- c")"));
    EXPECT_TRUE(has_open_quote(R"(a="b -- c)"));
    EXPECT_TRUE(has_open_quote(R"(a="b" -- c")"));
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

TEST(CommandLine, KeepsOutOfQuotes) {
    constexpr const char* kDevice = "virtio_mmio.device=4K@0xc0001000:5";
    EXPECT_EQ(with_devices(R"(a="b -- c" d)", 1), std::string(R"(a="b -- c" d )") + kDevice);
    EXPECT_EQ(with_devices(R"(a="b -- c" -- d)", 1),
              std::string(R"(a="b -- c" )") + kDevice + " -- d");
    EXPECT_EQ(with_devices(R"("x -- y"-- -- d)", 1),
              std::string(R"("x -- y"-- )") + kDevice + " -- d");
    EXPECT_EQ(with_devices(R"(a "--" d)", 1), std::string("a ") + kDevice + R"( "--" d)");
    EXPECT_EQ(with_devices("a\t--\td", 1), std::string("a\t") + kDevice + " --\td");
}

// By our ACPI tables there is no interrupt controller but the APICs.
TEST(CommandLine, KeepsLinuxFromDoingWithoutInterrupts) {
    EXPECT_EQ(without_apic_vetoes("ro console=ttyS0 noapic reboot=k").line,
              "ro console=ttyS0 reboot=k");
    for (const char* word : {"noapic", "nolapic", "disableapic", "acpi=noirq", "pci=noacpi"}) {
        const std::string line = std::string("a ") + word + R"( b="noapic c" -- noapic)";
        const ApicVetoes without = without_apic_vetoes(line);
        EXPECT_EQ(without.line, R"(a b="noapic c" -- noapic)");
        EXPECT_EQ(without.left_out, word);
    }
    EXPECT_EQ(without_apic_vetoes("nolapic a noapic").line, "a ");
    EXPECT_EQ(without_apic_vetoes("nolapic a noapic").left_out, "nolapic noapic");
    // Told to do without ACPI, Linux finds the PIC.
    for (const char* line :
         {"", "a b", "noapic acpi=off", "nolapic_timer x=noapic", R"(a="noapic b")"})
        EXPECT_EQ(without_apic_vetoes(line).line, line);
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

std::string init_line(std::string given, std::span<const char* const> arguments) {
    const auto line = with_init_arguments(std::move(given), arguments);
    return line.ok() ? line.value() : line.error().hint;
}

TEST(CommandLine, TakesWordsForInit) {
    EXPECT_EQ(init_line("a", {}), "a");
    EXPECT_EQ(init_line("", std::array{"x"}), "-- x");
    EXPECT_EQ(init_line("a", std::array{"x", "y"}), "a -- x y");
}

TEST(CommandLine, QuotesWordsForInitThatLinuxWouldTakeApart) {
    EXPECT_EQ(init_line("", std::array{"x y", "z"}), R"(-- "x y" z)");
    EXPECT_EQ(init_line("", std::array{"a=x y"}), R"(-- "a=x y")");
    EXPECT_EQ(init_line("", std::array{"", "b"}), R"(-- "" b)");
    EXPECT_EQ(init_line("", std::array{"x\ty", "\xc3\xa0"}), "-- \"x\ty\" \"\xc3\xa0\"");
    EXPECT_EQ(init_line("", std::array{R"(a="x y")"}), R"(-- a="x y")");
}

TEST(CommandLine, RefusesWordsForInitThatNoQuotesKeepTogether) {
    for (const char* word : {R"(say "hi there")", R"("x" y)", "\" \"\t"}) {
        const auto line = with_init_arguments("a", std::array{"b", word});
        ASSERT_FALSE(line.ok()) << line.value();
        EXPECT_EQ(line.error().subject(), word);
    }
}

}  // namespace
