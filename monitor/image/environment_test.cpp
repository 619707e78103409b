#include "monitor/image/environment.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <gtest/gtest.h>
#include <string>

#include "base/unique_fd.hpp"

namespace {

using namespace std::string_literals;
using Variables = std::vector<std::string>;

const char* find(const char* name) {
    if (name == "SET"s) return "a value=1";
    if (name == "EMPTY"s) return "";
    return nullptr;
}

std::string said(const Error& error) {
    std::array<char, 512> line{};
    format_error(error, line);
    return line.data();
}

Variables parsed(std::string_view text) {
    Variables variables;
    const Result<> done = parse_environment("file", text, find, variables);
    EXPECT_TRUE(done.ok()) << said(done.error());
    return variables;
}

std::string complaint(std::string_view text) {
    Variables variables;
    const Result<> done = parse_environment("file", text, find, variables);
    return done.ok() ? "none" : said(done.error());
}

TEST(ResolveVariable, TakesAValueOrAName) {
    EXPECT_EQ(resolve_variable("A=b=c", find).value(), "A=b=c");
    EXPECT_EQ(resolve_variable("A=", find).value(), "A=");
    EXPECT_EQ(resolve_variable("SET", find).value(), "SET=a value=1");
    EXPECT_EQ(resolve_variable("SET=x", find).value(), "SET=x");
    EXPECT_EQ(resolve_variable("EMPTY", find).value(), "EMPTY=");
}

TEST(ResolveVariable, NamesWhatIsNotSet) {
    EXPECT_EQ(said(resolve_variable("ABSENT", find).error()),
              "ABSENT: --env: is not set in this environment; set it, or give NAME=VALUE");
    for (const char* none : {"", "=", "=v"})
        EXPECT_EQ(said(resolve_variable(none, find).error()),
                  none + ": --env: is neither NAME=VALUE nor NAME"s);
}

TEST(ParseEnvironment, TakesDockersFormat) {
    EXPECT_EQ(parsed(""), Variables{});
    EXPECT_EQ(parsed("\n\n \t\n#A=b\n  # C=d\n"), Variables{});
    EXPECT_EQ(parsed("A=b\nC=d"), (Variables{"A=b", "C=d"}));
    // A value is what it is: quotes, blanks, #, = and all.
    EXPECT_EQ(parsed("  A= \"b\" # c=d \nE=\n"), (Variables{"A= \"b\" # c=d ", "E="}));
    EXPECT_EQ(parsed("\xef\xbb\xbf"
                     "A=b\r\nC=d\r\n\r\n"),
              (Variables{"A=b", "C=d"}));
    EXPECT_EQ(parsed("A=\xff\x01\n"), Variables{"A=\xff\x01"});
    EXPECT_EQ(parsed("SET\nA=1\nSET=2\nEMPTY"),
              (Variables{"SET=a value=1", "A=1", "SET=2", "EMPTY="}));
}

TEST(ParseEnvironment, SaysWhichLineIsWrongAndNoValue) {
    EXPECT_EQ(complaint("A=1\n\n=secret"),
              "file:3: --env-file: has no name without blanks in this line");
    for (const char* text : {"A B=secret", "export A=secret", "A\t=secret", "A B", "A =secret"})
        EXPECT_EQ(complaint(text), "file:1: --env-file: has no name without blanks in this line")
            << text;
    // A byte 0 would end the record in which init is told of it, and begin another one.
    for (const std::string& text : {"A=secret\0workdir=/x"s, "A\0=b"s, "SET\0"s, "\0"s})
        EXPECT_EQ(complaint(text), "file:1: --env-file: has a byte 0 in this line");
    EXPECT_EQ(complaint("# comments\n ABSENT\r\n"),
              "file:2: --env-file: is not set in this environment; set it, or give "
              "NAME=VALUE");
}

TEST(ReadEnvironment, ReadsAFileOfAtMostOneMebibyte) {
    std::string path = testing::TempDir() + "environment.XXXXXX";
    const UniqueFd file(::mkstemp(path.data()));
    ASSERT_EQ(::write(file.get(), "A=b\nC=d\n", 8), 8);
    Variables variables{"first"};
    EXPECT_TRUE(read_environment(path, find, variables).ok());
    EXPECT_EQ(variables, (Variables{"first", "A=b", "C=d"}));
    ASSERT_EQ(::ftruncate(file.get(), 2 << 20), 0);
    EXPECT_EQ(said(read_environment(path, find, variables).error()),
              path + ": read: File too large; it may have 1 MiB");
    ::unlink(path.c_str());
    EXPECT_EQ(said(read_environment(path, find, variables).error()),
              path + ": --env-file: No such file or directory");
    EXPECT_FALSE(read_environment("/dev/zero", find, variables).ok());
    EXPECT_FALSE(read_environment(testing::TempDir(), find, variables).ok());
}

}  // namespace
