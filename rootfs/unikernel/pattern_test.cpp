#include "rootfs/unikernel/pattern.hpp"

#include <gtest/gtest.h>
#include <string>

namespace {

std::string pattern_line(uint64_t number) {
    char room[2 * kPatternLineBytes];
    Text text(room);
    add_pattern_line(number, text);
    return {text.view().data(), text.view().size()};
}

uint64_t hash_of(const std::string& bytes) {
    uint64_t hash = kFnv1aBasis;
    for (const char c : bytes) hash = fnv1a(hash, static_cast<uint8_t>(c));
    return hash;
}

TEST(Pattern, IsOneLineOfItsNumberAndLetters) {
    EXPECT_EQ(pattern_line(0), "0000000000 abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\n");
    EXPECT_EQ(pattern_line(27),
              "0000000027 bcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyza\n");
}

TEST(Pattern, KeepsItsLengthWhateverTheNumber) {
    for (const uint64_t number : {uint64_t{25}, uint64_t{16383}, uint64_t{12345678901}, UINT64_MAX})
        EXPECT_EQ(pattern_line(number).size(), kPatternLineBytes);
}

// The vectors published with the algorithm (Fowler, Noll, Vo).
TEST(Fnv1a, AgreesWithThePublishedVectors) {
    EXPECT_EQ(hash_of(""), 0xcbf29ce484222325);
    EXPECT_EQ(hash_of("a"), 0xaf63dc4c8601ec8c);
    EXPECT_EQ(hash_of("foobar"), 0x85944171f73967e8);
}

// The first three, computed independently.
TEST(XorShift, IsMarsaglias) {
    XorShift random;
    EXPECT_EQ(random.next(), 8748534153485358512U);
    EXPECT_EQ(random.next(), 3040900993826735515U);
    EXPECT_EQ(random.next(), 3453997556048239312U);
}

}  // namespace
