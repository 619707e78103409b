#include "rootfs/unikernel/text.hpp"

#include <cstdint>
#include <gtest/gtest.h>
#include <string>

namespace {

std::string string_of(const Text& text) {
    return {text.view().data(), text.view().size()};
}

TEST(Text, WritesNumbersAndWordsOneAfterTheOther) {
    char room[64];
    Text text(room);
    text.add("a ").add(0).add(" ").add(1907).add(" ").add(UINT64_MAX);
    EXPECT_EQ(string_of(text), "a 0 1907 18446744073709551615");
}

TEST(Text, WritesSixteenHexDigits) {
    char room[64];
    Text text(room);
    text.add_hex(0x0123456789abcdef).add_hex(0);
    EXPECT_EQ(string_of(text), "0123456789abcdef0000000000000000");
}

TEST(Text, PadsButNeverCutsANumber) {
    char room[64];
    Text text(room);
    text.add_padded(7, 3).add(" ").add_padded(12345, 3);
    EXPECT_EQ(string_of(text), "007 12345");
}

TEST(Text, CutsWhatDoesNotFit) {
    char room[4] = {};
    char& behind = room[3];
    Text text(View<char>(room, 3));
    text.add("ab").add(123).add_hex(5);
    EXPECT_EQ(string_of(text), "ab1");
    EXPECT_EQ(behind, '\0');
}

TEST(StringView, ComparesContentAndLength) {
    const std::string word = "echo";
    EXPECT_TRUE(StringView(word.data(), word.size()) == StringView("echo"));
    EXPECT_FALSE(StringView(word.data(), 3) == StringView("echo"));
    EXPECT_FALSE(StringView("Echo") == StringView("echo"));
    EXPECT_TRUE(StringView() == StringView(""));
}

}  // namespace
