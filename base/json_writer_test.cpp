#include "base/json_writer.hpp"

#include <array>
#include <gtest/gtest.h>

namespace {

TEST(JsonWriter, WritesAnEmptyObject) {
    JsonWriter out;
    EXPECT_EQ(out.finish(), "{}");
}

TEST(JsonWriter, WritesRealNumbersToAThousandth) {
    JsonWriter out;
    out.real("a", 940.12345);
    out.reals("b", std::array{0.0, 1.0 / 3, 1e9});
    EXPECT_EQ(out.finish(), "{\"a\":940.123,\"b\":[0.0,0.333,1000000000.0]}");
}

TEST(JsonWriter, WritesTexts) {
    JsonWriter out;
    out.texts("none", std::array<const char*, 0>{});
    out.texts("words", std::array{"run", "\"--\"", "\xc3\xbc"});
    EXPECT_EQ(out.finish(), "{\"none\":[],\"words\":[\"run\",\"\\\"--\\\"\",\"\\u00FC\"]}");
}

}  // namespace
