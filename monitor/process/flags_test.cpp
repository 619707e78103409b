#include "monitor/process/flags.hpp"

#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

namespace {

TEST(Flags, EachIsThereOnce) {
    std::set<std::string> names;
    for (const Flag& flag : all_flags()) {
        EXPECT_TRUE(names.insert(flag.name).second) << flag.name;
        if (flag.alias == nullptr) continue;
        EXPECT_TRUE(names.insert(flag.alias).second) << flag.alias;
    }
}

TEST(Flags, EachSaysAllThatTheHelpNeeds) {
    for (const Flag& flag : all_flags()) {
        EXPECT_NE(flag.commands & kEveryDoor, 0) << flag.name;
        EXPECT_EQ(flag.commands & ~kEveryDoor, 0) << flag.name;
        EXPECT_EQ(flag.placeholder == nullptr, flag.value == FlagValue::kNone) << flag.name;
        ASSERT_NE(flag.meaning, nullptr) << flag.name;
        EXPECT_NE(*flag.meaning, '\0') << flag.name;
    }
}

// Whatever stands where it may, a door takes it.
TEST(Flags, TheDoorsTakeTheirOwnAndNoOthers) {
    for (const Flag& flag : all_flags())
        for (const uint8_t door : {kRunDoor, kServeDoor, kDoctorDoor}) {
            std::vector<const char*> arguments{flag.name};
            if (flag.value == FlagValue::kRequired) arguments.push_back("x");
            EXPECT_EQ(Options::parse(all_flags(), arguments, door).ok(),
                      (flag.commands & door) != 0)
                << flag.name;
        }
}

}  // namespace
