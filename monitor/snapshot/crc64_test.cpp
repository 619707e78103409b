#include "monitor/snapshot/crc64.hpp"

#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

namespace {

uint64_t crc64(std::string_view text) {
    Crc64 crc;
    crc.add(std::as_bytes(std::span(text)));
    return crc.value();
}

TEST(Crc64, IsTheOneOfXz) {
    EXPECT_EQ(crc64(""), 0u);
    EXPECT_EQ(crc64("123456789"), 0x995d'c9bb'df19'39fau);
}

TEST(Crc64, IsTheSameHoweverTheBytesCome) {
    const std::string text = "the quick brown fox jumps over the lazy dog";
    for (size_t first = 0; first <= text.size(); ++first) {
        Crc64 crc;
        crc.add(std::as_bytes(std::span(text).first(first)));
        crc.add(std::as_bytes(std::span(text).subspan(first)));
        EXPECT_EQ(crc.value(), crc64(text)) << first;
    }
}

TEST(Crc64, KnowsHowManyZeroesThereAre) {
    std::vector<uint64_t> seen;
    for (size_t count = 0; count < 20; ++count) {
        seen.push_back(crc64(std::string(count, '\0')));
        for (size_t other = 0; other < count; ++other) EXPECT_NE(seen[other], seen[count]);
    }
}

}  // namespace
