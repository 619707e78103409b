#include "rootfs/init/settings.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>

#include "abi/version.hpp"

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

std::string complaint_about(std::string run_file) {
    Text run(std::move(run_file));
    Settings settings;
    settings.take_run(run.span());
    std::array<char, 128> room{};
    const char* const complaint = settings.version_complaint(room);
    return complaint == nullptr ? "" : complaint;
}

TEST(Settings, AMonitorOfAnotherVersionIsRefusedByName) {
    const std::string ours = std::to_string(guest_abi::kVersion);
    const std::string other = std::to_string(guest_abi::kVersion + 1);
    EXPECT_EQ(complaint_about("abi=" + ours + "\0arg=a\0"s), "");
    EXPECT_EQ(complaint_about("arg=a\0abi="s + other + "\0"s),
              "is of version " + ours + " and mayfly of version " + other +
                  "; install both of one release");
    for (const std::string& none : {"arg=a\0"s, "abi=\0"s, "abi=x\0"s, "abi=1"s, ""s})
        EXPECT_EQ(complaint_about(none),
                  "is of version " + ours + " and mayfly says none; install both of one release");
}

TEST(Settings, TheImageDoesNotSpeakForTheMonitor) {
    Text image("abi=" + std::to_string(guest_abi::kVersion) + "\0"s);
    Settings settings;
    settings.take_image(image.span());
    EXPECT_EQ(settings.monitor_version, 0U);
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
