#include "bench/crew.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <gtest/gtest.h>

namespace {

// Answers to `input`.
std::string answers(const std::string& input) {
    const UniqueFd asked(::memfd_create("input", MFD_CLOEXEC));
    const UniqueFd answered(::memfd_create("lines", MFD_CLOEXEC));
    EXPECT_EQ(::pwrite(asked.get(), input.data(), input.size(), 0),
              static_cast<ssize_t>(input.size()));
    Lines lines(answered.get());
    EXPECT_TRUE(keep_crew(asked.get(), lines).ok());
    std::string text(1 << 16, '\0');
    text.resize(static_cast<size_t>(::pread(answered.get(), text.data(), text.size(), 0)));
    return text;
}

std::string shell(const char* script) {
    return std::string(
               R"({"name":"vm","limit_ms":10000,"program":{"name":"vm","words":["/bin/sh","-c",")") +
           script + "\"]}}\n";
}

TEST(Crew, AnswersEachAndKeepsItUntilTheEnd) {
    const std::string text = answers(shell("echo up; exec sleep 1000") + shell("exit 0"));
    const size_t second = text.find('\n') + 1;
    ASSERT_EQ(text.substr(0, 7), R"({"pid":)") << text;
    EXPECT_EQ(text.substr(second, 15), R"({"reason":"vm: )") << text;
    EXPECT_NE(text.find("\"code\":" + std::to_string(EPIPE), second), std::string::npos) << text;
    const auto pid = static_cast<pid_t>(std::stol(text.substr(7)));
    EXPECT_EQ(::kill(pid, 0), -1) << "it is left";
    EXPECT_EQ(errno, ESRCH);
}

TEST(Crew, GoesOnAfterOneThatDoesNotStart) {
    const std::string text =
        answers("{\"name\":\"none\",\"program\":{\"words\":[\"/no/such/program\"]}}\n" +
                shell("echo up; exec sleep 1000"));
    EXPECT_EQ(text.substr(0, 17), R"({"reason":"none: )") << text;
    EXPECT_NE(text.find("\n{\"pid\":"), std::string::npos) << text;
}

}  // namespace
