#include "monitor/api/boot_source.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

TEST(BootSourceDocument, GoesBothWays) {
    for (const char* const text :
         {"{\"kernel_image_path\":\"/k\",\"initrd_path\":\"/"
          "i\",\"boot_args\":\"quiet a=\\\"b\\\"\"}",
          "{\"kernel_image_path\":\"k\",\"initrd_path\":null,\"boot_args\":\"\"}"}) {
        Config config;
        apply(parsed(parse_boot_source, text), config);
        EXPECT_EQ(written([&](JsonWriter& out) { write_boot_source(config, out); }), text);
    }
}

TEST(BootSourceDocument, HasFirecrackersArgumentsWithoutOnes) {
    const BootSource source = parsed(parse_boot_source, "{\"kernel_image_path\":\"k\"}");
    EXPECT_EQ(source.boot_args.substr(0, 17), "reboot=k panic=1 ");
    EXPECT_EQ(source.initrd_path, "");
    const BootSource null = parsed(
        parse_boot_source, "{\"kernel_image_path\":\"k\",\"boot_args\":null,\"initrd_path\":null}");
    EXPECT_EQ(null.boot_args, source.boot_args);
    EXPECT_EQ(null.initrd_path, "");
}

// What an earlier request said of the initrd does not stay.
TEST(BootSourceDocument, AppliesAsAWhole) {
    Config config;
    apply(parsed(parse_boot_source, "{\"kernel_image_path\":\"k\",\"initrd_path\":\"i\"}"), config);
    apply(parsed(parse_boot_source, "{\"kernel_image_path\":\"l\",\"boot_args\":\"x\"}"), config);
    EXPECT_EQ(config.boot.kernel_path, "l");
    EXPECT_EQ(config.boot.initrd_path, "");
    EXPECT_EQ(config.shape.command_line, "x");
}

TEST(BootSourceDocument, RefusesEmptyAndMissingPaths) {
    EXPECT_EQ(complaint(parse_boot_source, "{}"), "kernel_image_path: is missing");
    EXPECT_EQ(complaint(parse_boot_source, "{\"kernel_image_path\":\"\"}"),
              "kernel_image_path: is empty");
    EXPECT_EQ(complaint(parse_boot_source, "{\"kernel_image_path\":\"k\",\"initrd_path\":\"\"}"),
              "initrd_path: is empty");
    EXPECT_EQ(complaint(parse_boot_source, "{\"kernel_image_path\":\"k\\u0000\"}"),
              "kernel_image_path: has a zero byte");
    EXPECT_EQ(complaint(parse_boot_source, "{\"kernel_image_path\":[\"k\"]}"),
              "kernel_image_path: is not a string");
}

}  // namespace
