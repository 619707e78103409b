#include "monitor/metrics/writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <vector>

namespace {

class MetricsWriterTest : public testing::Test {
protected:
    void SetUp() override {
        folder_ = testing::TempDir() + "metrics.XXXXXX";
        ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
        path_ = folder_ + "/sink";
    }
    void TearDown() override {
        ::unlink(path_.c_str());
        ::rmdir(folder_.c_str());
    }

    void make_fifo() { ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0); }
    MetricsWriter writer() { return {open_metrics(path_.c_str()).value(), metrics_}; }
    UniqueFd reader() const {
        return UniqueFd(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    }
    // What a reader finds.
    static std::string read_all(const UniqueFd& from) {
        std::string text;
        std::array<char, 1 << 16> bytes{};
        for (;;) {
            const ssize_t count = ::read(from.get(), bytes.data(), bytes.size());
            if (count <= 0) return text;
            text.append(bytes.data(), static_cast<size_t>(count));
        }
    }
    static std::vector<std::string> lines(const std::string& text) {
        std::vector<std::string> all;
        for (size_t at = 0; at < text.size();) {
            const size_t end = std::min(text.find('\n', at), text.size());
            all.push_back(text.substr(at, end - at));
            at = end + 1;
        }
        return all;
    }
    static bool is_whole(const std::string& line) {
        return line.starts_with("{\"utc_timestamp_ms\":") && line.ends_with("}}");
    }
    uint64_t missed() const { return metrics_.lines.missed_metrics_count.value(); }

    std::string folder_, path_;
    Metrics metrics_;
};

TEST_F(MetricsWriterTest, ALineEachTimeItIsAskedFor) {
    MetricsWriter writer = this->writer();
    metrics_.signals.sighup.add(3);
    EXPECT_TRUE(writer.flush().ok());
    metrics_.signals.sighup.add(1);
    EXPECT_TRUE(writer.flush().ok());
    const auto all = lines(read_all(reader()));
    ASSERT_EQ(all.size(), 2U);
    EXPECT_TRUE(is_whole(all[0])) << all[0];
    EXPECT_NE(all[0].find("\"sighup\":3"), std::string::npos);
    EXPECT_NE(all[1].find("\"sighup\":1"), std::string::npos);
    EXPECT_EQ(missed(), 0U);
}

TEST_F(MetricsWriterTest, ALineAtOnceAndThenOneAMinute) {
    constexpr uint64_t kStart = 12'345;
    MetricsWriter writer = this->writer();
    EXPECT_LE(writer.due_ns(), kStart);
    writer.flush_if_due(kStart);
    EXPECT_EQ(writer.due_ns(), kStart + 60'000'000'000);
    writer.flush_if_due(writer.due_ns() - 1);
    EXPECT_EQ(lines(read_all(reader())).size(), 1U);
    writer.flush_if_due(writer.due_ns());
    EXPECT_EQ(lines(read_all(reader())).size(), 2U);
    EXPECT_EQ(writer.due_ns(), kStart + 120'000'000'000);
}

TEST_F(MetricsWriterTest, ASlowReaderGetsWholeLinesAndAllNumbers) {
    make_fifo();
    MetricsWriter writer = this->writer();
    int written = 0;
    for (int i = 0; i < 200; ++i) {
        metrics_.signals.sighup.add(1);
        if (writer.flush().ok()) ++written;
    }
    EXPECT_LT(written, 200);
    EXPECT_EQ(missed(), static_cast<uint64_t>(200 - written));
    EXPECT_EQ(metrics_.lines.metrics_fails.value(), 0U);
    const UniqueFd reader = this->reader();
    std::string text = read_all(reader);
    EXPECT_TRUE(writer.flush().ok());
    text += read_all(reader);
    uint64_t sighups = 0;
    uint64_t missed_lines = 0;
    for (const std::string& line : lines(text)) {
        ASSERT_TRUE(is_whole(line)) << line;
        sighups += std::stoul(line.substr(line.find("\"sighup\":") + 9));
        missed_lines += std::stoul(line.substr(line.find("\"missed_metrics_count\":") + 23));
    }
    EXPECT_EQ(sighups, 200U);
    EXPECT_EQ(missed_lines, missed());
}

TEST_F(MetricsWriterTest, AReaderThatGoesAwayAndComesBack) {
    make_fifo();
    MetricsWriter writer = this->writer();
    UniqueFd reader = this->reader();
    EXPECT_TRUE(writer.flush().ok());
    reader = UniqueFd();
    EXPECT_TRUE(writer.flush().ok());  // no SIGPIPE; the FIFO keeps it
    metrics_.signals.sighup.add(5);
    EXPECT_TRUE(writer.flush().ok());
    const auto all = lines(read_all(this->reader()));
    ASSERT_FALSE(all.empty());
    EXPECT_NE(all.back().find("\"sighup\":5"), std::string::npos);
}

TEST_F(MetricsWriterTest, AnInheritedPipeWhoseReaderIsGone) {
    ::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    UniqueFd reader(ends[0]);
    MetricsWriter writer(UniqueFd(ends[1]), metrics_);
    while (writer.flush().ok()) {
    }
    reader = UniqueFd();  // in the midst of a line
    const Result<> lost = writer.flush();
    ASSERT_FALSE(lost.ok());
    EXPECT_EQ(lost.error().code, EPIPE);
    EXPECT_FALSE(writer.flush().ok());
    EXPECT_EQ(missed(), 3U);
    EXPECT_EQ(metrics_.lines.metrics_fails.value(), 0U);
    ::signal(SIGPIPE, SIG_DFL);
}

TEST_F(MetricsWriterTest, AFullDiskIsAFailure) {
    MetricsWriter writer(open_metrics("/dev/full").value(), metrics_);
    metrics_.signals.sighup.add(5);
    const Result<> lost = writer.flush();
    ASSERT_FALSE(lost.ok());
    EXPECT_EQ(lost.error().code, ENOSPC);
    EXPECT_EQ(missed(), 1U);
    EXPECT_EQ(metrics_.lines.metrics_fails.value(), 1U);
    std::string next;
    metrics_.append_line(next, 0);
    EXPECT_NE(next.find("\"sighup\":5"), std::string::npos);
}

}  // namespace
