#include "monitor/metrics/timeline.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <string>

#include "base/unique_fd.hpp"

namespace {

std::string trace_of(const Timeline& timeline) {
    const UniqueFd file(::memfd_create("trace", MFD_CLOEXEC));
    EXPECT_TRUE(timeline.write_trace(file.get()).ok());
    std::string text(static_cast<size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(file.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
}

TEST(Timeline, StagesEndInTheOrderOfTheirMarks) {
    Timeline timeline;
    timeline.mark(Stage::kOptions);
    timeline.mark(Stage::kKvm);
    EXPECT_GT(timeline.ended_ns(Stage::kExec), 0U);
    EXPECT_GE(timeline.ended_ns(Stage::kOptions), timeline.ended_ns(Stage::kExec));
    EXPECT_GE(timeline.ended_ns(Stage::kKvm), timeline.ended_ns(Stage::kOptions));
    EXPECT_EQ(timeline.ended_ns(Stage::kExit), 0U);
}

TEST(Timeline, TheFirstMarkStands) {
    Timeline timeline;
    timeline.mark(Stage::kFirstExit);
    const uint64_t first = timeline.ended_ns(Stage::kFirstExit);
    timeline.mark(Stage::kFirstExit);
    EXPECT_EQ(timeline.ended_ns(Stage::kFirstExit), first);
}

TEST(Timeline, TheTraceNamesWhatHappenedAndNothingElse) {
    Timeline timeline;
    timeline.mark(Stage::kOptions);
    timeline.mark(Stage::kFirstOutput);
    const std::string trace = trace_of(timeline);
    EXPECT_TRUE(trace.starts_with("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"));
    EXPECT_TRUE(trace.ends_with("\n]}\n"));
    EXPECT_NE(trace.find(R"("name":"options","ph":"X")"), std::string::npos);
    EXPECT_NE(trace.find(R"("name":"first output","ph":"i")"), std::string::npos);
    EXPECT_EQ(trace.find("boot signal"), std::string::npos);
}

TEST(Timeline, AFullDiskIsAnError) {
    const Timeline timeline;
    const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(full);
    EXPECT_EQ(timeline.write_trace(full.get()).error().code, ENOSPC);
}

}  // namespace
