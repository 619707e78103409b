#include "bench/results.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace {

constexpr std::array kArguments = {"--runs", "2"};
const RunDescription kRun = {.command = "startup", .arguments = kArguments, .reference = "floor"};

class ResultsTest : public testing::Test {
protected:
    ~ResultsTest() override { std::filesystem::remove_all(folder_); }

    std::string read() const {
        std::ostringstream text;
        text << std::ifstream(path_).rdbuf();
        return text.str();
    }
    std::vector<std::string> lines() const {
        std::istringstream text(read());
        std::vector<std::string> lines;
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        return lines;
    }
    void write(std::string_view text) const { std::ofstream(path_) << text; }

    static std::string make_folder() {
        std::string name = std::filesystem::temp_directory_path() / "results.XXXXXX";
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        return name;
    }

    const std::string folder_ = make_folder();
    const std::string path_ = folder_ + "/results.jsonl";
};

// The record without the run's name, which is another each time.
std::string without_run(const std::string& line) {
    return line.substr(0, line.find(",\"run\":"));
}

TEST_F(ResultsTest, HaveARecordALine) {
    const auto outcome = record_run(path_.c_str(), kRun, [](Results& results) -> Result<> {
        const std::array samples = {940.5, 1000.0};
        TRY(results.samples("floor", "stub", "first output", "us", samples));
        TRY(results.absent("qemu", "stub", "is not installed"));
        TRY(results.rate("floor", "stub", 8, samples));
        const std::array points = {
            DensityPoint{.vms = 10, .process_kib = 210.25, .kernel_kib = 700}};
        return results.density("mayfly", "stub", 131072, points);
    });
    ASSERT_TRUE(outcome.ok());
    const auto found = lines();
    ASSERT_EQ(found.size(), 6U);
    EXPECT_EQ(
        found[0].substr(0, 100),
        R"({"type":"run","format":"mayfly-bench/1","command":"startup","arguments":["--runs","2"],"started":"2)" +
            found[0].substr(99, 1));
    EXPECT_EQ(
        without_run(found[1]),
        R"({"type":"samples","program":"floor","guest":"stub","figure":"first output","unit":"us","samples":[940.5,1000.0])");
    EXPECT_EQ(without_run(found[2]),
              R"({"type":"absent","program":"qemu","guest":"stub","reason":"is not installed")");
    EXPECT_EQ(
        without_run(found[3]),
        R"({"type":"rate","program":"floor","guest":"stub","in_flight":8,"unit":"1/s","samples":[940.5,1000.0])");
    EXPECT_EQ(
        without_run(found[4]),
        R"({"type":"density","program":"mayfly","guest":"stub","guest_memory_kib":131072,"points":[{"vms":10,"process_kib":210.25,"kernel_kib":700.0}])");
    EXPECT_NE(found[5].find(R"("outcome":"complete","reason":"")"), std::string::npos);
}

TEST_F(ResultsTest, KeepWhatWasThere) {
    for (int run = 0; run < 2; ++run)
        ASSERT_TRUE(record_run(path_.c_str(), kRun, [](Results&) { return Result<>(Ok{}); }).ok());
    const auto found = lines();
    ASSERT_EQ(found.size(), 4U);
    EXPECT_NE(found[0].substr(found[0].find("\"run\":")),
              found[2].substr(found[2].find("\"run\":")));
}

TEST_F(ResultsTest, SayHowARunEnded) {
    const auto failed = record_run(path_.c_str(), kRun, [](Results&) -> Result<> {
        return Error{"output", ETIMEDOUT, "the program was killed"};
    });
    EXPECT_FALSE(failed.ok());
    EXPECT_NE(
        lines().back().find(
            R"("outcome":"failed","reason":"output: Connection timed out; the program was killed")"),
        std::string::npos);
    const auto interrupted = record_run(path_.c_str(), kRun, [](Results&) -> Result<> {
        return Error{"measurement", EINTR};
    });
    EXPECT_FALSE(interrupted.ok());
    EXPECT_NE(lines().back().find(R"("outcome":"interrupted")"), std::string::npos);
}

TEST_F(ResultsTest, LeaveAnotherFileAsItIs) {
    for (const char* const other :
         {"#!/bin/sh\n", "{}", "{\"type\":\"run\",\"format\":\"other/1\"}\n"}) {
        write(other);
        const auto results = Results::create(path_.c_str(), kRun);
        ASSERT_FALSE(results.ok());
        EXPECT_EQ(results.error().code, EEXIST);
        EXPECT_EQ(read(), other);
    }
}

TEST_F(ResultsTest, EndALineThatWasCutOff) {
    ASSERT_TRUE(record_run(path_.c_str(), kRun, [](Results&) { return Result<>(Ok{}); }).ok());
    write(read() + "{\"type\":\"sam");
    ASSERT_TRUE(Results::create(path_.c_str(), kRun).ok());
    ASSERT_EQ(lines().size(), 4U);
    EXPECT_EQ(lines()[2], "{\"type\":\"sam");
}

TEST_F(ResultsTest, HaveOneWriter) {
    const auto first = Results::create(path_.c_str(), kRun);
    ASSERT_TRUE(first.ok());
    const auto second = Results::create(path_.c_str(), kRun);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, EBUSY);
}

TEST_F(ResultsTest, OnAFullDiskAreAnError) {
    const auto full = Results::create("/dev/full", kRun);
    ASSERT_FALSE(full.ok());
    EXPECT_EQ(full.error().code, ENOSPC);
}

// A limit of the file's size does what a full disk does: part of a record is written, then none.
TEST_F(ResultsTest, TakeBackHalfARecord) {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto outcome = record_run(path_.c_str(), kRun, [&](Results& results) -> Result<> {
        TRY(results.absent("qemu", "stub", "finished"));
        const rlimit little{.rlim_cur = std::filesystem::file_size(path_) + 100,
                            .rlim_max = before.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
        return results.absent("qemu", "stub", std::string(1000, 'x'));
    });
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code, EFBIG);
    const auto found = lines();
    ASSERT_GE(found.size(), 2U);
    EXPECT_NE(found[1].find("finished"), std::string::npos);
    for (const std::string& line : found) EXPECT_EQ(line.back(), '}');
}

TEST_F(ResultsTest, AreOptional) {
    EXPECT_TRUE(record_run(nullptr, kRun, [](Results& results) {
                    return results.absent("qemu", "stub", "is not installed");
                }).ok());
}

}  // namespace
