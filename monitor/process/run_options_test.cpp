#include "monitor/process/run_options.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "monitor/process/tenancy.hpp"

namespace {

using Arguments = std::vector<const char*>;

Config config_of(const Arguments& arguments) {
    return RunOptions::parse(arguments).value().config;
}

std::string complaint(const Arguments& arguments) {
    const auto options = RunOptions::parse(arguments);
    Result<> valid = Ok{};
    if (options.ok()) valid = validate(options.value().config, kFlagNames);
    if (options.ok() && options.value().image.has_value()) valid = validate(*options.value().image);
    if (options.ok() && valid.ok()) return "none";
    std::array<char, 256> line{};
    format_error(options.ok() ? valid.error() : options.error(), line);
    return line.data();
}

TEST(RunOptions, DefaultsToTheEmbeddedGuest) {
    const Config config = config_of({});
    EXPECT_EQ(config.boot.kernel_path, "");
    EXPECT_EQ(config.shape.command_line, "");
    EXPECT_EQ(config.shape.memory_bytes, 128ULL << 20);
    EXPECT_EQ(config.shape.vcpus, 1U);
    EXPECT_EQ(complaint({}), "none");
}

TEST(RunOptions, AKernelOfTheUsersSpeaksOnTheSerialLine) {
    EXPECT_EQ(config_of({"--kernel", "k"}).shape.command_line,
              "console=ttyS0 reboot=k panic=-1 cryptomgr.notests");
    EXPECT_EQ(config_of({"--kernel", "k", "--cmdline", "quiet"}).shape.command_line, "quiet");
    EXPECT_EQ(config_of({"--kernel", "k", "--cmdline="}).shape.command_line, "");
}

TEST(RunOptions, ArgumentsFollowTheCommandLine) {
    EXPECT_EQ(config_of({"--", "exit=3", "quiet"}).shape.command_line, "-- exit=3 quiet");
    EXPECT_EQ(config_of({"--cmdline", "a", "--", "b"}).shape.command_line, "a -- b");
}

TEST(RunOptions, ReadsSizesAndCounts) {
    const Config config = config_of({"--memory", "4G", "--vcpus=32"});
    EXPECT_EQ(config.shape.memory_bytes, 4ULL << 30);
    EXPECT_EQ(config.shape.vcpus, 32U);
}

TEST(RunOptions, NamesTheFlagAndTheValueAtFault) {
    EXPECT_EQ(complaint({"--vcpus", "0"}), "--vcpus: is not from 1 to 32");
    EXPECT_EQ(complaint({"--vcpus", "33"}), "--vcpus: is not from 1 to 32");
    EXPECT_EQ(complaint({"--vcpus", "two"}),
              "--vcpus: two: Invalid argument; write a decimal number");
    EXPECT_EQ(complaint({"--memory", "128"}),
              "--memory: 128: Invalid argument; write a number and K, M or G, as in 128M");
    EXPECT_EQ(complaint({"--memory", "99999999999999999999G"}),
              "--memory: 99999999999999999999G: Numerical result out of range; is past 64 bits");
    EXPECT_EQ(complaint({"--memory", "17179869184G"}),
              "--memory: 17179869184G: Numerical result out of range; is past 64 bits");
    EXPECT_EQ(complaint({"--kernel", ""}), "--kernel: needs a file's name");
}

TEST(RunOptions, TheGuestsExtrasAreAskedFor) {
    const CpuExtras none = config_of({}).shape.extras;
    EXPECT_FALSE(none.nested || none.pmu);
    const CpuExtras both = config_of({"--nested", "--pmu"}).shape.extras;
    EXPECT_TRUE(both.nested && both.pmu);
}

TEST(RunOptions, RamAndProcessorAreChosen) {
    EXPECT_EQ(config_of({}).host.ram_pages, RamPages::kOrdinary);
    EXPECT_EQ(config_of({}).shape.cpu_template, CpuTemplate::kNone);
    const Config config = config_of({"--huge-pages", "--cpu-template", "T2"});
    EXPECT_EQ(config.host.ram_pages, RamPages::kHuge);
    EXPECT_EQ(config.shape.cpu_template, CpuTemplate::kT2);
    EXPECT_EQ(complaint({"--huge-pages", "--memory", "3M"}),
              "--memory: is not a multiple of 2M, as huge pages need");
    EXPECT_EQ(complaint({"--cpu-template", "t2"}),
              "t2: --cpu-template: is not T2, the one there is");
    for (const char* const extra : {"--nested", "--pmu"})
        EXPECT_EQ(complaint({"--cpu-template", "T2", extra}),
                  "--cpu-template: has neither nested virtualization nor a PMU; leave out one or "
                  "the other");
}

TEST(RunOptions, AJailKeepsAVmApart) {
    if (is_for_a_jail({})) GTEST_SKIP() << "the test itself runs under no_new_privs";
    const Tenancy outside = config_of({}).host.tenancy;
    EXPECT_EQ(outside.pages, ImagePages::kShared);
    EXPECT_EQ(outside.core_scheduling, Measure::kNone);
    EXPECT_EQ(outside.ssbd, Measure::kNone);
    const Tenancy jailed = config_of({"--jail"}).host.tenancy;
    EXPECT_EQ(jailed.pages, ImagePages::kOwn);
    EXPECT_EQ(jailed.core_scheduling, Measure::kWherePossible);
    EXPECT_EQ(jailed.ssbd, Measure::kWherePossible);
    const Tenancy chosen =
        config_of({"--jail", "--kernel-pages", "shared", "--core-scheduling=off", "--ssbd", "off"})
            .host.tenancy;
    EXPECT_EQ(chosen.pages, ImagePages::kShared);
    EXPECT_EQ(chosen.core_scheduling, Measure::kNone);
    EXPECT_EQ(chosen.ssbd, Measure::kNone);
    const Tenancy demanded =
        config_of({"--kernel-pages=own", "--core-scheduling", "on", "--ssbd=on"}).host.tenancy;
    EXPECT_EQ(demanded.pages, ImagePages::kOwn);
    EXPECT_EQ(demanded.core_scheduling, Measure::kDemanded);
    EXPECT_EQ(demanded.ssbd, Measure::kDemanded);
    EXPECT_EQ(complaint({"--kernel-pages", "mine"}),
              "mine: --kernel-pages: is neither own nor shared");
    EXPECT_EQ(complaint({"--core-scheduling", "yes"}),
              "yes: --core-scheduling: is neither on nor off");
    EXPECT_EQ(complaint({"--ssbd="}), ": --ssbd: is neither on nor off");
}

// As mayfly-jailer starts it.
TEST(RunOptionsDeathTest, WhoIsStartedUnderNoNewPrivsIsInAJail) {
    const auto act = [] {
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(2);
        const Tenancy tenancy = config_of({}).host.tenancy;
        ::_exit(tenancy.pages == ImagePages::kOwn && tenancy.ssbd == Measure::kWherePossible ? 0
                                                                                             : 1);
    };
    EXPECT_EXIT(act(), testing::ExitedWithCode(0), "");
}

TEST(RunOptions, AnImageMakesArgumentsAProgram) {
    const RunOptions run =
        RunOptions::parse(std::vector<const char*>{"--image", "i", "--rw", "-t", "--env", "A=b",
                                                   "--env=C", "--env-file", "f", "--env-file=g",
                                                   "--timeout", "1500ms", "--", "sh", "-c", "x"})
            .value();
    ASSERT_TRUE(run.image.has_value());
    EXPECT_EQ(run.image->arguments, (std::vector<std::string>{"sh", "-c", "x"}));
    EXPECT_EQ(run.image->environment, (std::vector<std::string>{"A=b", "C"}));
    EXPECT_EQ(run.image->environment_files, (std::vector<std::string>{"f", "g"}));
    EXPECT_EQ(run.image->access, ImageAccess::kReadWrite);
    EXPECT_EQ(run.image->terminal, TerminalWanted::kYes);
    EXPECT_EQ(run.timeout_ms, 1500U);
    EXPECT_EQ(run.config.shape.stdio, StdioKind::kChannel);
    EXPECT_EQ(run.config.shape.command_line, "");
    EXPECT_EQ(config_of({"--image", "i", "--stdio", "serial"}).shape.stdio, StdioKind::kSerial);
    EXPECT_EQ(config_of({"--image", "i", "--cmdline", "c", "--", "a"}).shape.command_line, "c");
}

TEST(RunOptions, WhatConcernsAnImageNeedsOne) {
    EXPECT_EQ(complaint({"--rw"}), "--rw: needs an --image");
    EXPECT_EQ(complaint({"--env", "A=b"}), "--env: needs an --image");
    EXPECT_EQ(complaint({"--env-file", "f"}), "--env-file: needs an --image");
    EXPECT_EQ(complaint({"-t"}), "-t: needs an --image");
    EXPECT_EQ(complaint({"--image="}), "--image: needs a file's name");
    EXPECT_EQ(complaint({"--image", "i", "--env", "=A"}),
              "=A: --env: is neither NAME=VALUE nor NAME");
    EXPECT_EQ(complaint({"--timeout", "5"}),
              "--timeout: 5: Invalid argument; write a number and ms, s, m or h, as in 5s");
    EXPECT_EQ(complaint({"--stdio", "tty"}), "tty: --stdio: is neither serial nor channel");
}

TEST(Config, KeepsToItsLimits) {
    EXPECT_EQ(complaint({"--memory", "1M"}), "--memory: is too small; give at least 2M");
    EXPECT_EQ(complaint({"--memory", "2M"}), "none");
    EXPECT_EQ(complaint({"--memory", "1024G"}), "none");
    EXPECT_EQ(complaint({"--memory", "1025G"}), "--memory: is too large; give at most 1024G");
    EXPECT_EQ(complaint({"--memory", "2049K"}), "--memory: is not a multiple of 4K");
    EXPECT_EQ(complaint({"--initrd", "i"}), "--initrd: needs a --kernel that can use it");
    const std::string longest(2047, 'x');
    EXPECT_EQ(complaint({"--cmdline", longest.c_str()}), "none");
    const std::string too_long(2048, 'x');
    EXPECT_EQ(complaint({"--cmdline", too_long.c_str()}),
              "--cmdline: is longer than 2047 bytes (with the arguments after --)");
}

}  // namespace
