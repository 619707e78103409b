#include "base/log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <gtest/gtest.h>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "base/calendar.hpp"
#include "base/line_sink.hpp"

namespace {

class LogTest : public testing::Test {
protected:
    void SetUp() override {
        folder_ = testing::TempDir() + "log.XXXXXX";
        ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    }
    void TearDown() override {
        reset_log();
        for (const char* name : {"file", "fifo"}) ::unlink(path(name).c_str());
        ::rmdir(folder_.c_str());
    }

    std::string path(const char* name) const { return folder_ + "/" + name; }

    // Lines go to a file, stamped, from now on.
    void log_to_file() {
        sink_ = open_log(path("file").c_str()).value();
        settings_.form = LogForm::kStamped;
        settings_.fd = sink_.get();
        settings_.instance_id = "vm1";
        set_log(settings_);
    }
    // What is in the file.
    std::string text() const {
        std::array<char, 1 << 14> bytes{};
        const UniqueFd file(::open(path("file").c_str(), O_RDONLY | O_CLOEXEC));
        const ssize_t count = ::read(file.get(), bytes.data(), bytes.size());
        return count > 0 ? std::string(bytes.data(), static_cast<size_t>(count)) : "";
    }
    // The one line of the file after its stamp.
    std::string line() const {
        const std::string all = text();
        EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 1) << all;
        return all.substr(all.find(' ') + 1);
    }

    static uint64_t missed() { return log_metrics().missed_log_count.value(); }

    std::string folder_;
    UniqueFd sink_;
    LogSettings settings_;
};

TEST_F(LogTest, WithoutSettingsALineIsPlainAndOnStderr) {
    testing::internal::CaptureStderr();
    log_line("%s is %d", "six", 6);
    LOG_WARNING("careful");
    log_error(Error{"open", ENOENT}.about("file"));
    LOG_DEBUG("not wanted");
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "mayfly: six is 6\n"
              "mayfly: careful\n"
              "mayfly: file: open: No such file or directory\n");
}

TEST_F(LogTest, AStampedLineHasTimeInstanceAndThread) {
    log_to_file();
    LOG_INFO("hello %d", 5);
    const std::regex form(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9} \[vm1:main\] hello 5)"
                          "\n");
    EXPECT_TRUE(std::regex_match(text(), form)) << text();
}

TEST_F(LogTest, LevelAndOriginAreShownIfAskedFor) {
    settings_.shows_level = settings_.shows_origin = true;
    log_to_file();
    log_at({LogLevel::kWarning, "virtio/block.cpp", 12}, "odd");
    EXPECT_EQ(line(), "[vm1:main:WARN:virtio/block.cpp:12] odd\n");
}

TEST_F(LogTest, AnOriginIsRelativeToTheSources) {
    settings_.shows_origin = true;
    log_to_file();
    LOG_ERROR("here");
    EXPECT_NE(line().find("[vm1:main:base/log_test.cpp:"), std::string::npos) << line();
}

TEST_F(LogTest, LessUrgentLinesThanTheLevelAreNotLogged) {
    settings_.level = LogLevel::kError;
    log_to_file();
    LOG_WARNING("left out");
    log_line("left out");
    LOG_ERROR("logged");
    EXPECT_EQ(line(), "[vm1:main] logged\n");
    settings_.level = LogLevel::kOff;
    LOG_ERROR("left out");
    EXPECT_EQ(line(), "[vm1:main] logged\n");
}

TEST_F(LogTest, OtherModulesAreNotLogged) {
    settings_.module = "virtio/";
    log_to_file();
    log_at({LogLevel::kError, "monitor/machine/machine.cpp", 1}, "left out");
    log_at({LogLevel::kError, "virtio/net.cpp", 1}, "logged");
    EXPECT_EQ(line(), "[vm1:main] logged\n");
}

TEST_F(LogTest, AStampedLineStaysOneAndIsCut) {
    log_to_file();
    LOG_INFO("a\nb\033c %s", std::string(5000, 'x').c_str());
    EXPECT_NE(line().find("a?b?c xxx"), std::string::npos);
    EXPECT_EQ(text().size(), 1024U);
}

TEST_F(LogTest, LinesAreAddedToAFile) {
    log_to_file();
    LOG_INFO("one");
    log_to_file();
    LOG_INFO("two");
    EXPECT_NE(text().find("one\n"), std::string::npos);
    EXPECT_NE(text().find("two\n"), std::string::npos);
}

TEST_F(LogTest, AFullFifoLosesLinesAndHoldsUpNobody) {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    sink_ = open_log(path("fifo").c_str()).value();  // there is no reader yet
    settings_.fd = sink_.get();
    settings_.form = LogForm::kStamped;
    set_log(settings_);
    const uint64_t before = missed();
    for (int i = 0; i < 2000; ++i) LOG_INFO("%s", std::string(100, 'x').c_str());
    EXPECT_GT(missed(), before);
    // A reader comes, and there is room again.
    const UniqueFd reader(::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    std::array<char, 1 << 16> bytes{};
    while (::read(reader.get(), bytes.data(), bytes.size()) > 0) {
    }
    const uint64_t then = missed();
    LOG_INFO("back");
    EXPECT_EQ(missed(), then);
    const ssize_t count = ::read(reader.get(), bytes.data(), bytes.size());
    ASSERT_GT(count, 0);
    const std::string_view seen(bytes.data(), static_cast<size_t>(count));
    EXPECT_NE(seen.find("back\n"), std::string_view::npos);
}

TEST_F(LogTest, AReaderThatGoesAwayEndsNobody) {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    sink_ = open_log(path("fifo").c_str()).value();
    settings_.fd = sink_.get();
    set_log(settings_);
    UniqueFd reader(::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(reader);
    reader = UniqueFd();
    LOG_INFO("nobody reads this");  // no SIGPIPE
}

TEST_F(LogTest, AClosedSinkIsCountedAndLeavesErrnoAlone) {
    settings_.fd = -1;
    set_log(settings_);
    const uint64_t before = missed();
    errno = ENOTTY;
    LOG_ERROR("lost");
    EXPECT_EQ(errno, ENOTTY);
    EXPECT_EQ(missed(), before + 1);
}

TEST_F(LogTest, LostLinesAreToldOfBeforeTheNext) {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    sink_ = open_log(path("fifo").c_str()).value();
    settings_.fd = sink_.get();
    set_log(settings_);
    const uint64_t before = missed();
    while (missed() < before + 3) LOG_INFO("short");  // where it has no room, the other has none
    std::array<char, 1 << 17> bytes{};
    while (::read(sink_.get(), bytes.data(), bytes.size()) == std::ssize(bytes)) {
    }
    LOG_INFO("back");
    LOG_INFO("again");
    const ssize_t count = ::read(sink_.get(), bytes.data(), bytes.size());
    EXPECT_EQ(std::string_view(bytes.data(), static_cast<size_t>(std::max<ssize_t>(count, 0))),
              "mayfly: 3 lines of the log were lost here: nobody took them\n"
              "mayfly: back\n"
              "mayfly: again\n");
}

TEST_F(LogTest, WhatMayNotBeWrittenYetIsKept) {
    testing::internal::CaptureStderr();
    set_log_way(WriteWay::kPolled);
    set_log_patience(LogPatience::kNone);
    LOG_INFO("one");
    LOG_INFO("two");
    log_as_it_is("at once\n");
    const uint64_t before = missed();
    for (int i = 0; i < 10; ++i) LOG_INFO("%s", std::string(1000, 'x').c_str());
    EXPECT_EQ(missed(), before + 2);  // no more room
    set_log_patience(LogPatience::kSome);
    LOG_INFO("three");
    set_log_way(WriteWay::kPlain);
    const std::string text = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(text.starts_with("at once\nmayfly: one\nmayfly: two\nmayfly: xxx")) << text;
    EXPECT_TRUE(
        text.ends_with("xxx\nmayfly: 2 lines of the log were lost here: nobody took them\n"
                       "mayfly: three\n"))
        << text;
}

TEST_F(LogTest, WhatIsNoSinkIsRefused) {
    const auto folder = open_log(folder_.c_str());
    ASSERT_FALSE(folder.ok());
    EXPECT_EQ(folder.error().code, EISDIR);
    const auto nowhere = open_log("/nowhere/at/all");
    ASSERT_FALSE(nowhere.ok());
    EXPECT_EQ(nowhere.error().code, ENOENT);
    EXPECT_EQ(nowhere.error().subject(), "/nowhere/at/all");
}

TEST(LogLimitTest, AdmitsTenAndThenSaysHowManyItLeftOut) {
    constexpr uint64_t kStart = 77;
    LogLimit limit;
    for (uint32_t i = 0; i < LogLimit::kLines; ++i) EXPECT_TRUE(limit.judge(kStart + i).admits);
    for (int i = 0; i < 25; ++i) EXPECT_FALSE(limit.judge(kStart + 100).admits);
    EXPECT_FALSE(limit.judge(kStart + LogLimit::kIntervalNs - 1).admits);
    const LogLimit::Verdict next = limit.judge(kStart + LogLimit::kIntervalNs);
    EXPECT_TRUE(next.admits);
    EXPECT_EQ(next.left_out, 26U);
    const LogLimit::Verdict later = limit.judge(kStart + 3 * LogLimit::kIntervalNs);
    EXPECT_TRUE(later.admits);
    EXPECT_EQ(later.left_out, 0U);
}

TEST(LogBudgetTest, EndsWithALineOfItsOwn) {
    testing::internal::CaptureStderr();
    LogBudget budget(3);
    LogLimit limit(budget);
    const uint64_t before = log_metrics().over_budget_log_count.value();
    int admitted = 0;
    for (int i = 0; i < 8; ++i) admitted += limit.admits() ? 1 : 0;
    EXPECT_EQ(admitted, 2);
    EXPECT_EQ(log_metrics().over_budget_log_count.value(), before + 6);
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "mayfly: the guest has caused 3 lines; no more of them are logged\n");
    LogLimit other(budget);
    EXPECT_FALSE(other.admits());
}

TEST(LogLimitTest, ManyThreadsPassNoMoreThanTheirShare) {
    LogLimit limit;
    const uint64_t before = log_metrics().rate_limited_log_count.value();
    std::atomic<uint32_t> admitted{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int line = 0; line < 100; ++line)
                if (limit.admits()) ++admitted;
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_GE(admitted, LogLimit::kLines);
    EXPECT_LE(admitted, LogLimit::kLines + 4);
    EXPECT_EQ(log_metrics().rate_limited_log_count.value() - before, 400 - admitted);
}

TEST(CalendarTest, IsThatOfTheLibrary) {
    // A prime number of seconds, so that all times of day and dates come by; up to the year 2500.
    for (time_t seconds = 0; seconds < time_t{16'725'225'600}; seconds += 999'983) {
        tm utc{};
        ::gmtime_r(&seconds, &utc);
        const CalendarTime expected{utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                                    utc.tm_hour,        utc.tm_min,     utc.tm_sec};
        ASSERT_EQ(calendar_time(seconds), expected) << seconds;
    }
    EXPECT_EQ(calendar_time(951'782'400), (CalendarTime{2000, 2, 29, 0, 0, 0}));
    EXPECT_EQ(calendar_time(4'107'542'399), (CalendarTime{2100, 2, 28, 23, 59, 59}));
    EXPECT_EQ(calendar_time(4'107'542'400), (CalendarTime{2100, 3, 1, 0, 0, 0}));
}

}  // namespace
