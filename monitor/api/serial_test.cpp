#include "monitor/api/serial.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

Config config_of(const std::string& text) {
    Config config;
    apply(parsed(parse_serial, text), config);
    return config;
}

std::string told(const std::string& text) {
    return written([&](JsonWriter& out) { write_serial(config_of(text), out); });
}

TEST(SerialDocument, GoesBothWays) {
    for (const char* const text :
         {"{}", "{\"serial_out_path\":\"/o\"}",
          "{\"serial_out_path\":\"/o\",\"rate_limiter\":{\"size\":9,\"one_time_burst\":2,"
          "\"refill_time\":100}}"})
        EXPECT_EQ(told(text), text);
    EXPECT_EQ(complaint(parse_serial, "{\"output_path\":\"/o\"}"),
              "output_path: is no field of this request");
}

TEST(SerialDocument, LimitsBytesAlone) {
    EXPECT_EQ(told("{\"rate_limiter\":{\"size\":0,\"refill_time\":100}}"), "{}");
    EXPECT_EQ(told("{\"rate_limiter\":null}"), "{}");
    EXPECT_EQ(complaint(parse_serial, "{\"rate_limiter\":{\"size\":9}}"),
              "refill_time: is missing");
    EXPECT_EQ(complaint(parse_serial,
                        "{\"rate_limiter\":{\"bandwidth\":null,\"size\":1,"
                        "\"refill_time\":1}}"),
              "bandwidth: is no field of this request");
}

}  // namespace
