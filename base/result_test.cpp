#include "base/result.hpp"

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace {

std::string line_of(const Error& error, size_t room = 200) {
    std::string line(room, '#');
    line.resize(format_error(error, line));
    return line;
}

Result<int> half(int number) {
    if (number % 2 != 0) return Error{"half", EDOM};
    return number / 2;
}

Result<int> quarter(int number) {
    return TRY(half(TRY(half(number))));
}

TEST(Result, TryYieldsTheValueOrReturnsTheError) {
    EXPECT_EQ(quarter(12).value(), 3);
    EXPECT_FALSE(quarter(6).ok());
    EXPECT_EQ(quarter(6).error().code, EDOM);
}

TEST(Result, HoldsMoveOnlyValues) {
    Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
    EXPECT_EQ(*std::move(result).value(), 7);
}

TEST(FormatError, NamesSubjectWhatValueReasonAndHint) {
    const Error error = Error{"ELF p_offset", ENOEXEC, "is past the end", 0x1234}.about("vmlinux");
    EXPECT_EQ(line_of(error), "vmlinux: ELF p_offset 0x1234: Exec format error; is past the end");
}

TEST(FormatError, LeavesOutWhatIsNotThere) {
    EXPECT_EQ(line_of({"KVM_CREATE_VM", ENOMEM}), "KVM_CREATE_VM: Cannot allocate memory");
    EXPECT_EQ(line_of({"--memory", 0, "is too small"}), "--memory: is too small");
    EXPECT_EQ(line_of({"plain"}), "plain");
}

TEST(FormatError, TheInnerSubjectStands) {
    EXPECT_EQ(line_of(Error{"open"}.about("inner").about("outer")), "inner: open");
}

TEST(FormatError, ASubjectCannotBreakTheLine) {
    EXPECT_EQ(line_of(Error{"open"}.about("a\nb\x1b[2J")), "a?b?[2J: open");
}

TEST(FormatError, CutsToTheRoomThereIs) {
    EXPECT_EQ(line_of(Error{"operation"}.about("a-very-long-name"), 8), "a-very-");
    EXPECT_EQ(line_of(Error{"operation"}, 1), "");
}

}  // namespace
