#include "monitor/api/serial.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

TEST(SerialDocument, GoesBothWays) {
    Config config;
    config.host.serial_output_path = parsed(parse_serial, "{\"serial_out_path\":\"/o\"}");
    EXPECT_EQ(written([&](JsonWriter& out) { write_serial(config, out); }),
              "{\"serial_out_path\":\"/o\"}");
    EXPECT_EQ(parsed(parse_serial, "{}"), "");
    EXPECT_EQ(written([](JsonWriter& out) { write_serial({}, out); }), "{}");
    EXPECT_EQ(complaint(parse_serial, "{\"output_path\":\"/o\"}"),
              "output_path: is no field of this request");
}

}  // namespace
