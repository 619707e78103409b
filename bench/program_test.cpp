#include "bench/program.hpp"

#include <signal.h>

#include <gtest/gtest.h>

namespace {

constexpr int kTimeoutMs = 10'000;

Program shell(const char* script) {
    return {.name = "shell", .words = {"/bin/sh", "-c", script}};
}

TEST(ParseProgram, PartsWordsAtBlanks) {
    auto program = parse_program("vmm=/usr/bin/env  -i x=1 ");
    ASSERT_TRUE(program.ok());
    EXPECT_EQ(program.value().name, "vmm");
    EXPECT_EQ(program.value().words, (std::vector<std::string>{"/usr/bin/env", "-i", "x=1"}));
}

TEST(ParseProgram, RefusesWhatNamesNoProgram) {
    for (const char* text : {"", "name", "=sh", "name=", "name=   "}) {
        auto program = parse_program(text);
        ASSERT_FALSE(program.ok()) << text;
        EXPECT_EQ(program.error().code, EINVAL) << text;
    }
    auto missing = parse_program("name=/no/such/program");
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ENOENT);
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
