#include "rootfs/init/string_list.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

TEST(StringList, GrowsAndEndsWithANullPointer) {
    std::vector<std::string> strings;
    for (int i = 0; i < 1000; ++i) strings.push_back(std::to_string(i));
    StringList list;
    EXPECT_EQ(list.data()[0], nullptr);
    for (std::string& string : strings) list.add(string.data());
    ASSERT_EQ(list.size(), 1000U);
    EXPECT_STREQ(list[999], "999");
    EXPECT_EQ(list.data()[1000], nullptr);
    list.clear();
    EXPECT_TRUE(list.empty());
}

TEST(StringList, AVariableIsSetOnce) {
    std::array<char, 8> first{"A=1"};
    std::array<char, 8> longer{"AB=2"};
    std::array<char, 8> second{"A=3"};
    StringList list;
    list.set_variable(first.data());
    list.set_variable(longer.data());
    list.set_variable(second.data());
    EXPECT_EQ(list.size(), 2U);
    EXPECT_STREQ(list.variable("A"), "3");
    EXPECT_STREQ(list.variable("AB"), "2");
    EXPECT_EQ(list.variable("B"), nullptr);
}

}  // namespace
