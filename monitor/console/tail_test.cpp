#include "monitor/console/tail.hpp"

#include <gtest/gtest.h>

namespace {

void say(ConsoleTail& tail, const std::string& text) {
    tail.transmit(std::as_bytes(std::span(text)));
}

TEST(ConsoleTail, KeepsWhatWasSaid) {
    ConsoleTail tail;
    EXPECT_EQ(tail.text(), "");
    say(tail, "one\r\n");
    say(tail, "two");
    EXPECT_EQ(tail.text(), "one\ntwo");
}

TEST(ConsoleTail, LosesTheOldestLinesFirst) {
    ConsoleTail tail;
    for (int i = 0; i < 1000; ++i) say(tail, "line " + std::to_string(i) + "\n");
    const std::string text = tail.text();
    EXPECT_LE(text.size(), ConsoleTail::kBytes);
    EXPECT_TRUE(text.starts_with("line "));
    EXPECT_TRUE(text.ends_with("line 999\n"));
}

TEST(ConsoleTail, ShowsNoControlCharacters) {
    ConsoleTail tail;
    say(tail, "\x1b[31mred\x07\x80\n");
    EXPECT_EQ(tail.text(), "[31mred\n");
}

}  // namespace
