#include "monitor/api/logger.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

TEST(LoggerDocument, GoesBothWays) {
    for (const char* const level : {"Off", "Error", "Warning", "Info", "Debug", "Trace"}) {
        const std::string text = std::string("{\"log_path\":\"/l\",\"level\":\"") + level +
                                 "\",\"show_level\":true,\"show_log_origin\":false,"
                                 "\"module\":\"virtio/\"}";
        const LoggerConfig logger = parsed(parse_logger, text);
        EXPECT_EQ(written([&](JsonWriter& out) { write_logger(logger, out); }), text);
    }
    const LoggerConfig none = parsed(parse_logger, "{}");
    EXPECT_EQ(written([&](JsonWriter& out) { write_logger(none, out); }),
              "{\"log_path\":null,\"level\":null,\"show_level\":null,\"show_log_origin\":null,"
              "\"module\":null}");
}

TEST(LoggerDocument, TakesALevelInAnyCase) {
    for (const char* const level : {"WARN", "warn", "Warning", "wArNiNg"})
        EXPECT_EQ(parsed(parse_logger, std::string("{\"level\":\"") + level + "\"}").level,
                  LogLevel::kWarning);
    EXPECT_EQ(parsed(parse_logger, "{\"level\":\"off\"}").level, LogLevel::kOff);
    for (const char* const level : {"", "Warn ", "Inf", "Infos", "\\u0049\\u004e\\u0046\\u00D6"})
        EXPECT_EQ(complaint(parse_logger, std::string("{\"level\":\"") + level + "\"}"),
                  "level: is none of Off, Error, Warning, Info, Debug and Trace");
}

}  // namespace
