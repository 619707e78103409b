#include "monitor/doctor/host_tree.hpp"

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "monitor/doctor/fake_host.hpp"

namespace {

TEST(HostTree, ReadsTextLinesAndNumbers) {
    const FakeHost fake;
    fake.write("proc/a", "  7 \nnext\n");
    const HostTree tree(fake.root());
    EXPECT_EQ(tree.text("proc/a").value(), "  7 \nnext\n");
    EXPECT_EQ(tree.line("proc/a").value(), "7");
    EXPECT_EQ(tree.number("proc/a").value(), 7U);
    EXPECT_TRUE(tree.has("proc/a"));
    EXPECT_TRUE(tree.may_write("proc/a"));
}

TEST(HostTree, SaysOfWhichFileItIs) {
    const FakeHost fake;
    fake.write("word", "seven\n");
    const HostTree tree(fake.root());
    EXPECT_EQ(tree.text("none").error().code, ENOENT);
    EXPECT_EQ(tree.text("none").error().subject(), "none");
    EXPECT_EQ(tree.number("word").error().code, EINVAL);
    EXPECT_EQ(tree.number("word").error().subject(), "word");
    EXPECT_FALSE(tree.has("none"));
    EXPECT_TRUE(tree.names("none").empty());
    EXPECT_EQ(HostTree("/nowhere/at/all").text("word").error().code, EBADF);
}

TEST(HostTree, ReadsNoMoreThanItWants) {
    const FakeHost fake;
    fake.write("long", std::string(3 * HostTree::kMostBytes, 'x'));
    EXPECT_EQ(HostTree(fake.root()).text("long").value().size(), HostTree::kMostBytes);
}

TEST(HostTree, WaitsForNobody) {
    const FakeHost fake;
    fake.write("beside", "");
    ASSERT_EQ(::mkfifo((std::string(fake.root()) + "/fifo").c_str(), 0600), 0);
    EXPECT_EQ(HostTree(fake.root()).line("fifo").value(), "");
}

TEST(HostTree, ListsNamesInOrderAndSoMany) {
    const FakeHost fake;
    for (const char* const name : {"folder/b", "folder/c", "folder/a"}) fake.write(name, "");
    const std::vector<std::string> wanted{"a", "b", "c"};
    EXPECT_EQ(HostTree(fake.root()).names("folder"), wanted);
    for (size_t i = 0; i < HostTree::kMostNames; ++i) fake.write("folder/" + std::to_string(i), "");
    EXPECT_EQ(HostTree(fake.root()).names("folder").size(), HostTree::kMostNames);
}

TEST(HostTree, FindsValuesAndWords) {
    EXPECT_EQ(value_of("a: 1\nflags\t\t: fpu vme \n", "flags"), "fpu vme");
    EXPECT_EQ(value_of("#Size=1\nSize = 2\n", "Size"), "2");
    EXPECT_EQ(value_of("flagship: 1", "flags"), std::nullopt);
    EXPECT_EQ(value_of("", "flags"), std::nullopt);
    EXPECT_TRUE(holds_word("fpu vmx", "vmx"));
    EXPECT_FALSE(holds_word("fpu vmxx", "vmx"));
    EXPECT_FALSE(holds_word("", "vmx"));
}

}  // namespace
