#include "monitor/api/fields.hpp"

#include <gtest/gtest.h>

namespace {

TEST(IsWord, LetterByLetter) {
    EXPECT_TRUE(is_word("Info", "Info", LetterCase::kMatters));
    EXPECT_FALSE(is_word("info", "Info", LetterCase::kMatters));
    EXPECT_TRUE(is_word("iNFO", "Info", LetterCase::kIgnored));
    EXPECT_FALSE(is_word("Inf", "Info", LetterCase::kIgnored));
    // What differs from a letter in the bit that capitals have.
    EXPECT_FALSE(is_word("[nfo", "{nfo", LetterCase::kIgnored));
    EXPECT_FALSE(is_word("@", "`", LetterCase::kIgnored));
}

}  // namespace
