extern "C" {
#include "library/text.h"
}

#include <array>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace std::literals;

std::string shown(std::string_view text, size_t size = MAYFLY_TEXT_SIZE) {
    std::string copy(size, 'x');
    mayfly_text_copy(copy.data(), size, text.data(), text.size());
    return copy.substr(0, copy.find('\0'));
}

std::optional<std::string> fault(std::string_view body) {
    std::array<char, MAYFLY_TEXT_SIZE> message{};
    if (!mayfly_text_fault(message.data(), message.size(), body.data(), body.size())) return {};
    return message.data();
}

TEST(Text, IsCopiedAsItIs) {
    EXPECT_EQ(shown("a line"), "a line");
    EXPECT_EQ(shown("zwölf \u20ac \U0001f980"), "zwölf \u20ac \U0001f980");
    EXPECT_EQ(shown(""), "");
}

TEST(Text, HasNoControlCharacters) {
    EXPECT_EQ(shown("\x1b[2J\a\r\n\t\x7f"sv), "?[2J?????");
    EXPECT_EQ(shown("a\0b"sv), "a?b");
    EXPECT_EQ(shown("\xc2\x9b"
                    "1m"),
              "?1m");  // CSI as one C1 character
}

TEST(Text, ThatIsNotUtf8IsMarked) {
    EXPECT_EQ(shown("\xff\xfe"), "??");
    EXPECT_EQ(shown("\xc0\xaf"), "??");            // too long a form of '/'
    EXPECT_EQ(shown("\xed\xa0\x80"), "???");       // a surrogate
    EXPECT_EQ(shown("\xf4\x90\x80\x80"), "????");  // above U+10FFFF
    EXPECT_EQ(shown("\xe2\x82"), "??");            // cut short
    EXPECT_EQ(shown("\xe2\x82z"), "??z");
}

TEST(Text, IsCutBetweenCharacters) {
    EXPECT_EQ(shown("abcdef", 4), "abc");
    EXPECT_EQ(shown("ab\u20ac", 5), "ab");
    EXPECT_EQ(shown("ab\u20ac", 6), "ab\u20ac");
    EXPECT_EQ(shown("abc", 1), "");
}

TEST(Fault, IsTheMessage) {
    EXPECT_EQ(fault(R"({"fault_message":"no such drive"})"), "no such drive");
    EXPECT_EQ(fault(" { \"fault_message\"\t:\r\n\"\" } "), "");
    EXPECT_EQ(fault(R"({"fault_message":"\"a\" \\ \/ \u00e9 \ud83e\udd80"})"),
              "\"a\" \\ / é \U0001f980");
    EXPECT_EQ(fault(R"({"fault_message":"a\nb\u001b\u0000c"})"), "a?b??c");
}

TEST(Fault, IsCutWhenItIsLong) {
    const auto message = fault("{\"fault_message\":\"" + std::string(5000, 'y') + "\"}");
    EXPECT_EQ(message, std::string(MAYFLY_TEXT_SIZE - 1, 'y'));
}

TEST(Fault, IsNothingElse) {
    for (const std::string_view body :
         {""sv, "{"sv, "{}"sv, "null"sv, R"({"fault_message":7})"sv, R"({"fault_message":"a)"sv,
          R"({"fault_message":"a"})x)"sv, R"({"fault_message":"a","b":1})"sv, R"({"other":"a"})"sv,
          R"({"fault_message":"\x"})"sv, R"({"fault_message":"\u12"})"sv,
          R"({"fault_message":"\)"sv, R"({"fault_message":"\ud800"})"sv,
          R"({"fault_message":"\ud800\u0041"})"sv, "{\"fault_message\":\"a\nb\"}"sv,
          "{\"fault_message\":\"a\0\"}"sv, "{\"fault_message\":\"\\\0\"}"sv})
        EXPECT_EQ(fault(body), std::nullopt) << body;
}

}  // namespace
