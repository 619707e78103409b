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

TEST(Error, OwnsItsSubject) {
    std::string name = "inner";
    const Error error = Error{"open"}.about(name);
    name = "other";
    EXPECT_EQ(error.subject(), "inner");
}

TEST(Error, ASubjectThatIsTooLongKeepsBothEnds) {
    const std::string fits(Subject::kMostBytes, 'x');
    EXPECT_EQ(Error{"open"}.about(fits).subject(), fits);
    const std::string middle(Subject::kMostBytes, '-');
    const std::string cut(Error{"open"}.about("/srv/jails/" + middle + "/disk.img").subject());
    EXPECT_EQ(cut.size(), Subject::kMostBytes);
    EXPECT_TRUE(cut.starts_with("/srv/jails/-")) << cut;
    EXPECT_TRUE(cut.ends_with("-/disk.img")) << cut;
    EXPECT_NE(cut.find("-...-"), std::string::npos) << cut;
}

TEST(Error, NoCharacterOfASubjectIsCutInTwo) {
    std::string name;  // of characters of two bytes each, at odd and at even places
    for (size_t i = 0; i < Subject::kMostBytes; ++i) name += "\u00e9";
    for (const std::string& text : {name, "x" + name, name + "x", "x" + name + "x"}) {
        std::string subject(Error{"open"}.about(text).subject());
        subject.erase(subject.find("..."), 3);
        std::erase(subject, 'x');
        EXPECT_EQ(subject, name.substr(0, subject.size())) << text.front();
        EXPECT_EQ(subject.size() % 2, 0U);
    }
}

TEST(FormatError, AnEmptySubjectIsOne) {
    EXPECT_EQ(line_of(Error{"argument"}.about("").about("outer")), ": argument");
}

TEST(FormatError, ASubjectCannotBreakTheLine) {
    EXPECT_EQ(line_of(Error{"open"}.about("a\nb\x1b[2J")), "a?b?[2J: open");
}

TEST(FormatError, CutsToTheRoomThereIs) {
    EXPECT_EQ(line_of(Error{"operation"}.about("a-very-long-name"), 8), "a-very-");
    EXPECT_EQ(line_of(Error{"operation"}, 1), "");
}

}  // namespace
