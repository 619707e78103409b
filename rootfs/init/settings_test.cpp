#include "rootfs/init/settings.hpp"

#include <gtest/gtest.h>
#include <string>

namespace {

using namespace std::string_literals;

struct Text {
    explicit Text(std::string content) : bytes(std::move(content)) {}
    std::span<char> span() { return bytes; }
    std::string bytes;
};

TEST(Settings, TheImagesOwnCommandStandsUntilAnotherIsGiven) {
    Text image("arg=/bin/a\0arg=b\0env=P=1\0workdir=/i\0user=u\0hostname=no\0root=rw\0"s);
    Text run("env=Q=2\0env=P=3\0hostname=h\0"s);
    Settings settings;
    settings.take_image(image.span());
    settings.take_run(run.span());
    ASSERT_EQ(settings.arguments.size(), 2U);
    EXPECT_STREQ(settings.arguments[1], "b");
    ASSERT_EQ(settings.environment.size(), 2U);
    EXPECT_STREQ(settings.environment.variable("P"), "3");
    EXPECT_STREQ(settings.working_directory, "/i");
    EXPECT_STREQ(settings.user, "u");
    EXPECT_STREQ(settings.hostname, "h");
    EXPECT_EQ(settings.root, RootAccess::kOverlay);  // not the image's to say
}

TEST(Settings, ArgumentsReplaceTheImagesAltogether) {
    Text image("arg=/bin/a\0arg=b\0"s);
    Text run("arg=c\0arg=\0arg=d=e\nf\0root=rw\0terminal=24x80\0clock=5\0seed=ff\0"s);
    Settings settings;
    settings.take_image(image.span());
    settings.take_run(run.span());
    ASSERT_EQ(settings.arguments.size(), 3U);
    EXPECT_STREQ(settings.arguments[0], "c");
    EXPECT_STREQ(settings.arguments[1], "");
    EXPECT_STREQ(settings.arguments[2], "d=e\nf");
    EXPECT_EQ(settings.arguments.data()[3], nullptr);
    EXPECT_EQ(settings.root, RootAccess::kReadWrite);
    EXPECT_TRUE(settings.has_terminal);
    EXPECT_EQ(settings.window.rows, 24);
    EXPECT_EQ(settings.window.columns, 80);
    EXPECT_EQ(settings.clock_seconds, 5U);
}

TEST(Settings, WhatIsNoRecordIsPassedOver) {
    Text run("\0noequals\0=value\0unknown=x\0terminal=hello\0arg=last-without-end"s);
    Settings settings;
    settings.take_run(run.span());
    EXPECT_TRUE(settings.arguments.empty());
    EXPECT_EQ(settings.window.rows, 0);
    settings.take_run({});
}

}  // namespace
