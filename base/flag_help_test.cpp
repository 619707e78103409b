#include "base/flag_help.hpp"

#include <array>
#include <gtest/gtest.h>

namespace {

constexpr std::array kFlags = {
    Flag{.name = "--kernel", .commands = 1, .placeholder = "FILE", .meaning = "a kernel"},
    Flag{.name = "--quiet",
         .value = FlagValue::kNone,
         .commands = 3,
         .alias = "-q",
         .meaning = "one line\nand another"},
    Flag{.name = "--jail",
         .value = FlagValue::kOptional,
         .commands = 2,
         .placeholder = "UID:GID",
         .meaning = "in a jail"},
    Flag{.name = "--a-name-that-is-rather-long",
         .commands = 2,
         .group = 1,
         .placeholder = "N",
         .meaning = "what it is"},
};

std::string page(uint8_t commands, uint8_t group) {
    std::string page;
    append_flags(page, kFlags, commands, group);
    return page;
}

TEST(FlagHelp, ShowsHowAFlagTakesItsValue) {
    EXPECT_EQ(flag_form(kFlags[0]), "--kernel FILE");
    EXPECT_EQ(flag_form(kFlags[1]), "-q, --quiet");
    EXPECT_EQ(flag_form(kFlags[2]), "--jail[=UID:GID]");
}

TEST(FlagHelp, HasTheMeaningsInAColumn) {
    EXPECT_EQ(page(1, 0),
              "  --kernel FILE            a kernel\n"
              "  -q, --quiet              one line\n"
              "                           and another\n");
}

TEST(FlagHelp, HasTheFlagsOfACommandAndAGroup) {
    EXPECT_EQ(page(2, 0),
              "  -q, --quiet              one line\n"
              "                           and another\n"
              "  --jail[=UID:GID]         in a jail\n");
    EXPECT_EQ(page(1, 1), "");
}

TEST(FlagHelp, ALongFormHasItsLineToItself) {
    EXPECT_EQ(page(2, 1),
              "  --a-name-that-is-rather-long N\n"
              "                           what it is\n");
}

}  // namespace
