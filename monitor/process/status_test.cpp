#include "monitor/process/status.hpp"

#include <gtest/gtest.h>

namespace {

using Cause = Ending::Cause;

int of_run(const Ending& ending, StdioKind stdio = StdioKind::kSerial) {
    return status_of(ending, stdio, kRunStatuses);
}

int of_serve(const Ending& ending) {
    return status_of(ending, StdioKind::kSerial, kServeStatuses);
}

TEST(Status, IsTheGuestsWhereItReportedOne) {
    EXPECT_EQ(of_run({.cause = Cause::kReport, .status = 7}), 7);
    EXPECT_EQ(of_serve({.cause = Cause::kReport, .status = 255}), 255);
}

TEST(Status, OfAnEndWithoutOneIsZeroExceptWhereAProgramOwesOne) {
    EXPECT_EQ(of_run({.cause = Cause::kGuest}), 0);
    EXPECT_EQ(of_run({.cause = Cause::kUser}), 0);
    EXPECT_EQ(of_run({.cause = Cause::kGuest}, StdioKind::kChannel), 126);
    EXPECT_EQ(of_serve({.cause = Cause::kGuest}), 0);
    EXPECT_EQ(of_serve({.cause = Cause::kUser}), 0);
}

TEST(Status, OfASignalIsAsInAShell) {
    EXPECT_EQ(of_run({.cause = Cause::kSignal, .status = 15}), 143);
    EXPECT_EQ(of_serve({.cause = Cause::kSignal, .status = 1}), 129);
}

TEST(Status, OfAClientThatHungUpIsTheSameByAnyName) {
    EXPECT_EQ(of_serve({.cause = Cause::kHungUp}), 129);
    EXPECT_EQ(status_of({.cause = Cause::kHungUp}, StdioKind::kSerial, as_peer(kServeStatuses)),
              129);
}

TEST(Status, OfAFailureIsTheDoors) {
    EXPECT_EQ(of_run({.cause = Cause::kMonitor}), 125);
    EXPECT_EQ(of_run({.cause = Cause::kVersion}), 125);
    EXPECT_EQ(of_run({.cause = Cause::kCrash}), 126);
    EXPECT_EQ(of_run({.cause = Cause::kTimeout}), 124);
    EXPECT_EQ(of_serve({.cause = Cause::kMonitor}), 1);
    EXPECT_EQ(of_serve({.cause = Cause::kCrash}), 1);
    EXPECT_EQ(kRunStatuses.bad_arguments, 125);
    EXPECT_EQ(kServeStatuses.bad_configuration, 152);
    EXPECT_EQ(kServeStatuses.bad_arguments, 153);
}

}  // namespace
