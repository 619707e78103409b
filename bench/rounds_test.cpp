#include "bench/rounds.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>

#include "bench/interrupt.hpp"

namespace {

// What a plan came to: its records, without the times.
struct Outcome {
    std::string lines;
    int code;  // of the error; 0: none
    std::string error;

    size_t count(std::string_view text) const {
        size_t found = 0;
        for (size_t at = lines.find(text); at != std::string::npos; at = lines.find(text, at + 1))
            ++found;
        return found;
    }
};

Outcome run(const std::string& plan) {
    const UniqueFd file(::memfd_create("lines", MFD_CLOEXEC));
    Lines lines(file.get());
    const auto document = parse_plan(plan);
    EXPECT_TRUE(document.ok());
    auto rounds = Rounds::create(Fields(*document.value()));
    const Result<> ended = rounds.ok() ? rounds.value().run(lines) : Result<>(rounds.error());
    EXPECT_TRUE(lines.flush().ok());
    std::string text(1 << 16, '\0');
    text.resize(static_cast<size_t>(::pread(file.get(), text.data(), text.size(), 0)));
    if (ended.ok()) return {.lines = text, .code = 0, .error = {}};
    std::array<char, 512> line{};
    format_error(ended.error(), line);
    return {.lines = text, .code = ended.error().code, .error = line.data()};
}

std::string shell(const std::string& name, const std::string& script,
                  const std::string& more = "") {
    return R"({"name":")" + name + R"(","way":"start","limit_ms":10000,"program":{"name":")" +
           name + R"(","words":["/bin/sh","-c",")" + script + R"("],"errors":"kept"})" + more + "}";
}

std::string plan(const std::string& contestants, int runs, const std::string& more = "") {
    return R"({"contestants":[)" + contestants + R"(],"runs":)" + std::to_string(runs) + more + "}";
}

TEST(Rounds, GoThereAndBack) {
    std::string name = "/tmp/rounds-test-XXXXXX";
    const UniqueFd order(::mkstemp(name.data()));
    const auto outcome = run(plan(
        shell("a", "echo up; printf a >>" + name) + "," + shell("b", "echo up; printf b >>" + name),
        2, R"(,"warm_up":1)"));
    std::array<char, 16> found{};
    EXPECT_EQ(::pread(order.get(), found.data(), found.size(), 0), 6);
    ::unlink(name.c_str());
    EXPECT_STREQ(found.data(), "abbaab");
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.count(R"("counts":false)"), 1U);
    EXPECT_EQ(outcome.count(R"("counts":true)"), 2U);
    EXPECT_EQ(outcome.count(R"({"values":[)"), 6U);
}

TEST(Rounds, LeaveOutWhatFails) {
    const std::string none =
        R"({"name":"none","way":"start","program":{"words":["/no/such/program"]}})";
    const auto outcome = run(
        plan(shell("good", "echo hello; exec sleep 1000", R"(,"marker":"hello","is_killed":true)") +
                 "," + shell("bad", "echo no such option >&2", R"(,"marker":"hello")") + "," + none,
             3, R"(,"leaves_out":true)"));
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.count(R"("round":)"), 3U);
    EXPECT_EQ(outcome.count(R"({"values":[]})"), 6U);
    EXPECT_EQ(outcome.count(R"({"absent":)"), 2U);
    EXPECT_EQ(outcome.count(R"("last_words":"no such option\n")"), 1U) << outcome.lines;
    EXPECT_EQ(outcome.count("No such file"), 1U);
}

TEST(Rounds, EndWithTheFirstErrorAboutItsProgram) {
    const auto outcome =
        run(plan(shell("good", "echo up") + "," + shell("bad", "echo up; exit 3"), 5));
    EXPECT_EQ(outcome.error.substr(0, 5), "bad: ");
    EXPECT_EQ(outcome.count(R"("round":)"), 0U);
}

TEST(Rounds, CountOneWhateverItMayTake) {
    const auto outcome = run(plan(shell("good", "echo up; sleep 0.01"), 3, R"(,"budget_us":1)"));
    EXPECT_EQ(outcome.count(R"("counts":true)"), 1U);
}

TEST(Rounds, HaveTheFileThatAProgramLeft) {
    const std::string contestant =
        R"({"name":"a","way":"start","limit_ms":10000,"has_left_file":true,"program":{"name":"a",)"
        R"("words":["/bin/sh","-c","echo up; printf 'tr\\303\\244ce' >/proc/self/fd/3"],"given":""}})";
    const auto outcome = run(plan(contestant, 1));
    EXPECT_EQ(outcome.count(R"("left_file":"tr??ce")"), 1U) << outcome.lines;
}

// Another process, because a signal that was seen stays seen.
TEST(RoundsDeathTest, EndAfterASignalWithoutDying) {
    const auto interrupted = [] {
        watch_for_signals();
        std::raise(SIGINT);
        const auto outcome = run(plan(shell("a", "echo up"), 3));
        std::_Exit(outcome.code == EINTR && outcome.lines.empty() ? 42 : 1);
    };
    EXPECT_EXIT(interrupted(), testing::ExitedWithCode(42), "");
}

TEST(Rounds, RefuseAPlanThatIsWrong) {
    EXPECT_FALSE(parse_plan("").ok());
    EXPECT_FALSE(parse_plan("[]").ok());
    EXPECT_FALSE(parse_plan("{").ok());
    for (const char* const wrong :
         {"{}", R"({"contestants":[{"way":"unknown"}]})", R"({"contestants":[{"way":"start"}]})",
          R"({"contestants":[{"way":"API start","program":{"words":["x"]}}]})"})
        EXPECT_EQ(run(wrong).code, EPROTO) << wrong;
}

}  // namespace
