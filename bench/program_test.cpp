#include "bench/program.hpp"

#include <signal.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

constexpr int kTimeoutMs = 10'000;

Program shell(const char* script) {
    return {.name = "shell", .words = {"/bin/sh", "-c", script}};
}

TEST(Numbered, PutsTheRunInTheMarksPlace) {
    const Program program{.name = "jailed", .words = {"/bin/jailer", "--id", "j{run}x", "{run"}};
    EXPECT_EQ(numbered(program, 12).words,
              (std::vector<std::string>{"/bin/jailer", "--id", "j12x", "{run"}));
}

TEST(Process, ReportsOutputThenEndInThatOrder) {
    auto process = Process::start(shell("echo up; exit 7"));
    ASSERT_TRUE(process.ok());
    auto first = process.value().first_output_us(kTimeoutMs);
    ASSERT_TRUE(first.ok());
    auto end = process.value().wait_for_end(kTimeoutMs);
    ASSERT_TRUE(end.ok());
    EXPECT_GT(first.value(), 0);
    EXPECT_GE(end.value().exit_us, first.value());
    EXPECT_EQ(end.value().status, 7);
    EXPECT_EQ(end.value().output, "p\n") << "the first byte is taken";
}

TEST(Process, DrainsMoreThanAPipeHolds) {
    auto process = Process::start(shell("head -c 300000 /dev/zero"));
    ASSERT_TRUE(process.ok());
    ASSERT_TRUE(process.value().first_output_us(kTimeoutMs).ok());
    auto end = process.value().wait_for_end(kTimeoutMs);
    ASSERT_TRUE(end.ok());
    EXPECT_EQ(end.value().status, 0);
    EXPECT_EQ(end.value().output.size(), 299'999U);
}

TEST(Process, ReportsASignalAsAShellDoes) {
    auto process = Process::start(shell("echo up; kill -9 $$"));
    ASSERT_TRUE(process.ok());
    ASSERT_TRUE(process.value().first_output_us(kTimeoutMs).ok());
    auto end = process.value().wait_for_end(kTimeoutMs);
    ASSERT_TRUE(end.ok());
    EXPECT_EQ(end.value().status, 128 + SIGKILL);
}

TEST(Process, SaysWhenThereIsNoOutput) {
    auto process = Process::start(shell("exit 0"));
    ASSERT_TRUE(process.ok());
    auto first = process.value().first_output_us(kTimeoutMs);
    ASSERT_FALSE(first.ok());
    EXPECT_EQ(first.error().code, EPIPE);
}

TEST(Process, WaitsForATextBehindOtherLinesAndInPieces) {
    auto process =
        Process::start(shell("echo up; printf he; sleep 0.05; echo llo; exec sleep 1000"));
    ASSERT_TRUE(process.ok());
    const auto came = process.value().text_us("hello", kTimeoutMs);
    ASSERT_TRUE(came.ok());
    EXPECT_GE(came.value(), 50'000);
}

TEST(Process, TellsNothingFromSomethingElse) {
    constexpr int kShortMs = 200;
    const std::pair<const char*, int> cases[] = {{"exec sleep 1000", ENODATA},
                                                 {"echo up; exec sleep 1000", ETIMEDOUT},
                                                 {"exec yes", ETIMEDOUT},
                                                 {"echo up", EPIPE}};
    for (const auto& [script, code] : cases) {
        auto process = Process::start(shell(script));
        ASSERT_TRUE(process.ok());
        const auto came = process.value().text_us("hello", kShortMs);
        ASSERT_FALSE(came.ok()) << script;
        EXPECT_EQ(came.error().code, code) << script;
    }
}

TEST(Process, HasTheEnvironmentThatItIsGiven) {
    Program program = shell("echo $HOME $MAYFLY; [ -n \"$PATH\" ]");
    program.environment = {"HOME=/nowhere", "MAYFLY=1"};
    auto process = Process::start(program);
    ASSERT_TRUE(process.ok());
    const auto end = process.value().wait_for_end(kTimeoutMs);
    ASSERT_TRUE(end.ok());
    EXPECT_EQ(end.value().output, "/nowhere 1\n");
    EXPECT_EQ(end.value().status, 0);
}

TEST(Process, IsKilledWithWhatItStarted) {
    auto process = Process::start(shell("sleep 1000 & echo up; wait"));
    ASSERT_TRUE(process.ok());
    ASSERT_TRUE(process.value().text_us("\n", kTimeoutMs).ok());
    process.value().kill_us();
    // Both had the pipe's other end.
    EXPECT_TRUE(wait_readable(process.value().output_fd(), now_us() + kTimeoutMs * 1000.0).ok());
    char byte = 0;
    EXPECT_EQ(::read(process.value().output_fd(), &byte, 1), 0);
}

TEST(Process, SaysWhenTheProgramCannotStart) {
    auto process = Process::start({.name = "none", .words = {"/no/such/program"}});
    ASSERT_FALSE(process.ok());
    EXPECT_EQ(process.error().code, ENOENT);
}

TEST(Process, KillsASilentProgramThatIsLeft) {
    pid_t pid = -1;
    {
        auto process = Process::start(shell("exec sleep 1000"));
        ASSERT_TRUE(process.ok());
        pid = process.value().pid();
        auto first = process.value().first_output_us(1);
        ASSERT_FALSE(first.ok());
        EXPECT_EQ(first.error().code, ETIMEDOUT);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

}  // namespace
