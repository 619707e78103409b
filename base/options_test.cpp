#include "base/options.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

constexpr std::array kFlags = {
    Flag{"--kernel"},
    Flag{"--quiet", FlagValue::kNone},
    Flag{"--disk", FlagValue::kRequired, FlagCount::kRepeatable},
};

Result<Options> parse(const std::vector<const char*>& arguments) {
    return Options::parse(kFlags, arguments);
}

std::string complaint(const std::vector<const char*>& arguments) {
    const auto options = parse(arguments);
    if (options.ok()) return "none";
    std::array<char, 200> line{};
    format_error(options.error(), line);
    return line.data();
}

TEST(Options, TakesValuesBothWays) {
    const std::vector<const char*> arguments{"--kernel", "a", "--disk=b=c", "--quiet"};
    const Options options = parse(arguments).value();
    EXPECT_STREQ(options.get("--kernel"), "a");
    EXPECT_STREQ(options.get("--disk"), "b=c");
    EXPECT_TRUE(options.has("--quiet"));
    EXPECT_TRUE(options.rest().empty());
}

TEST(Options, AbsentFlagsAreAbsent) {
    const std::vector<const char*> arguments{"--kernel="};
    const Options options = parse(arguments).value();
    EXPECT_STREQ(options.get("--kernel"), "");
    EXPECT_EQ(options.get("--disk"), nullptr);
    EXPECT_FALSE(options.has("--quiet"));
}

TEST(Options, EverythingAfterTwoDashesIsTheRest) {
    const std::vector<const char*> arguments{"--quiet", "--", "--kernel", "--", "x"};
    const Options options = parse(arguments).value();
    ASSERT_EQ(options.rest().size(), 3U);
    EXPECT_STREQ(options.rest()[0], "--kernel");
    EXPECT_STREQ(options.rest()[1], "--");
    EXPECT_FALSE(options.has("--kernel"));
}

TEST(Options, RefusesWhatItDoesNotKnow) {
    EXPECT_EQ(complaint({"--kernle", "a"}), "--kernle: unknown flag; the nearest is: --kernel");
    EXPECT_EQ(complaint({"--kern=a"}), "--kern=a: unknown flag; the nearest is: --kernel");
    EXPECT_EQ(complaint({"--diks"}), "--diks: unknown flag; the nearest is: --disk");
    EXPECT_EQ(complaint({"--colour"}), "--colour: unknown flag: see --help");
    EXPECT_EQ(complaint({"-"}), "-: unknown flag: see --help");
    EXPECT_EQ(complaint({"vmlinux"}), "vmlinux: argument: is not expected here; see --help");
    EXPECT_EQ(complaint({""}), ": argument: is not expected here; see --help");
}

TEST(Options, AFlagIsTheCommandsThatTakeIt) {
    constexpr std::array kOfTwo = {
        Flag{.name = "--of-one", .value = FlagValue::kNone, .commands = 1},
        Flag{.name = "--of-both", .value = FlagValue::kNone, .commands = 3, .alias = "-b"},
    };
    const std::vector<const char*> both{"-b"};
    EXPECT_TRUE(Options::parse(kOfTwo, both, 1).value().has("--of-both"));
    EXPECT_TRUE(Options::parse(kOfTwo, both, 2).value().has("--of-both"));
    const std::vector<const char*> one{"--of-one"};
    EXPECT_TRUE(Options::parse(kOfTwo, one, 1).value().has("--of-one"));
    EXPECT_FALSE(Options::parse(kOfTwo, one, 2).ok());
    const std::vector<const char*> twice{"-b", "--of-both"};
    EXPECT_FALSE(Options::parse(kOfTwo, twice, 2).ok());
}

TEST(Options, RefusesRepetitionUnlessItIsMeant) {
    EXPECT_EQ(complaint({"--kernel", "a", "--kernel=a"}),
              "--kernel: flag: is given twice; give it once");
    EXPECT_EQ(complaint({"--disk", "a", "--disk", "b"}), "none");
}

TEST(Options, RefusesMissingAndUnwantedValues) {
    EXPECT_EQ(complaint({"--kernel"}), "--kernel: flag: needs a value; see --help");
    EXPECT_EQ(complaint({"--quiet=yes"}), "--quiet: flag: takes no value");
}

TEST(ParseSize, KnowsItsUnits) {
    EXPECT_EQ(parse_size("0K").value(), 0U);
    EXPECT_EQ(parse_size("512K").value(), 512ULL << 10);
    EXPECT_EQ(parse_size("128M").value(), 128ULL << 20);
    EXPECT_EQ(parse_size("4G").value(), 4ULL << 30);
}

TEST(ParseSize, RefusesTheRest) {
    for (const char* text : {"", "M", "128", "128MB", "128m", "-1M", "1.5G", " 1M", "1M ", "0x10M"})
        EXPECT_EQ(parse_size(text).error().code, EINVAL) << text;
}

TEST(ParseSize, OverflowIsAnError) {
    EXPECT_EQ(parse_size("17179869183G").value(), 17179869183ULL << 30);
    EXPECT_EQ(parse_size("17179869184G").error().code, ERANGE);
    EXPECT_EQ(parse_size("18446744073709551616K").error().code, ERANGE);
}

TEST(ParseNumber, KeepsToItsLimits) {
    EXPECT_EQ(parse_number("1", 1, 32).value(), 1U);
    EXPECT_EQ(parse_number("32", 1, 32).value(), 32U);
    EXPECT_EQ(parse_number("0", 1, 32).error().code, ERANGE);
    EXPECT_EQ(parse_number("33", 1, 32).error().code, ERANGE);
    EXPECT_EQ(parse_number("99999999999999999999", 1, 32).error().code, ERANGE);
    for (const char* text : {"", "x", "1x", "+1", "-1"})
        EXPECT_EQ(parse_number(text, 0, 32).error().code, EINVAL) << text;
}

TEST(Options, AnOptionalValueStandsBehindAnEqualsSign) {
    constexpr std::array kOptional{Flag{"--jail", FlagValue::kOptional},
                                   Flag{"--quiet", FlagValue::kNone}};
    const std::array without{"--jail", "--quiet"};
    const auto bare = Options::parse(kOptional, without);
    ASSERT_TRUE(bare.ok());
    EXPECT_STREQ(bare.value().get("--jail"), "");
    EXPECT_TRUE(bare.value().has("--quiet"));
    const std::array with{"--jail=1:2"};
    const auto given = Options::parse(kOptional, with);
    ASSERT_TRUE(given.ok());
    EXPECT_STREQ(given.value().get("--jail"), "1:2");
}

TEST(ParseDuration, TakesANumberAndAUnit) {
    EXPECT_EQ(parse_duration_ms("5s").value(), 5000U);
    EXPECT_EQ(parse_duration_ms("500ms").value(), 500U);
    EXPECT_EQ(parse_duration_ms("2m").value(), 120'000U);
    EXPECT_EQ(parse_duration_ms("1h").value(), 3'600'000U);
    for (const char* const text : {"", "5", "s", "-1s", "5 s", "5d", "0x5s"})
        EXPECT_EQ(parse_duration_ms(text).error().code, EINVAL) << text;
    EXPECT_EQ(parse_duration_ms("18446744073709551615s").error().code, ERANGE);
}

TEST(Options, HelpAndVersionAreWordsToo) {
    const auto asked = [](const char* word) {
        const std::vector<const char*> arguments{word};
        return asked_by_word(arguments);
    };
    for (const char* const word : {"help", "-h", "--help"}) EXPECT_EQ(asked(word), Asked::kHelp);
    for (const char* const word : {"version", "-V", "--version"})
        EXPECT_EQ(asked(word), Asked::kVersion);
    for (const char* const word : {"", "-v", "helper", "--jail"})
        EXPECT_EQ(asked(word), Asked::kNothing) << word;
    EXPECT_EQ(asked_by_word({}), Asked::kNothing);
}

}  // namespace
