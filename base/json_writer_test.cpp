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
    out.reals("a", std::array{0.0, 1.0 / 3, 940.12345, 1e9});
    EXPECT_EQ(out.finish(), "{\"a\":[0.0,0.333,940.123,1000000000.0]}");
}

TEST(JsonWriter, WritesTexts) {
    JsonWriter out;
    out.text("none", "");
    out.text("words", "run \"--\" \xc3\xbc");
    EXPECT_EQ(out.finish(), "{\"none\":\"\",\"words\":\"run \\\"--\\\" \\u00FC\"}");
}

}  // namespace
