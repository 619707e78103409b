#include "monitor/process/serve_options.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "monitor/process/tenancy.hpp"

namespace {

using Arguments = std::vector<const char*>;

ServeOptions options_of(const Arguments& arguments) {
    return ServeOptions::parse(arguments).value();
}

std::string complaint(const Arguments& arguments) {
    const auto options = ServeOptions::parse(arguments);
    if (options.ok()) return "none";
    std::array<char, 256> line{};
    format_error(options.error(), line);
    return line.data();
}

TEST(ServeOptions, AreFirecrackersWithoutAny) {
    const ServeOptions options = options_of({});
    EXPECT_STREQ(options.api_path, "/run/firecracker.socket");
    EXPECT_FALSE(options.api_fd.has_value());
    EXPECT_EQ(options.max_payload_bytes, 51200U);
    EXPECT_EQ(options.config_path, nullptr);
    EXPECT_EQ(options.start, StartWhen::kAsked);
    EXPECT_EQ(options.id, "anonymous-instance");
    EXPECT_FALSE(options.ready_fd.has_value());
    EXPECT_FALSE(options.logger.has_value());
    EXPECT_FALSE(options.metrics_path.has_value());
    EXPECT_FALSE(options.log_boot_time);
    EXPECT_EQ(options.filters.seccomp, Seccomp::kFilters);
    EXPECT_FALSE(options.jail.has_value());
    EXPECT_EQ(options.trace_path, nullptr);
    EXPECT_FALSE(options.start_times.start_time_us.has_value());
}

TEST(ServeOptions, SayWhereTheApiIs) {
    EXPECT_STREQ(options_of({"--api-sock", "/s"}).api_path, "/s");
    const ServeOptions adopted = options_of({"--api-fd=5"});
    EXPECT_EQ(adopted.api_fd, 5);
    EXPECT_EQ(adopted.api_path, nullptr);
    EXPECT_TRUE(adopted.has_api());
    const ServeOptions none = options_of({"--no-api", "--config-file", "/c"});
    EXPECT_FALSE(none.has_api());
    EXPECT_EQ(complaint({"--api-sock", "/s", "--api-fd", "5"}),
              "--api-fd: and --api-sock exclude each other");
    for (const Arguments& both : {Arguments{"--no-api", "--config-file=c", "--api-sock", "/s"},
                                  Arguments{"--no-api", "--config-file=c", "--api-fd=0"}})
        EXPECT_EQ(complaint(both), "--no-api: excludes --api-sock and --api-fd");
    for (const char* const fd : {"-1", "x", "", "2147483648", "5 "})
        EXPECT_EQ(complaint({"--api-fd", fd}).substr(0, 9), "--api-fd:") << fd;
}

TEST(ServeOptions, SayWhenTheVmStarts) {
    EXPECT_EQ(options_of({"--config-file", "/c"}).start, StartWhen::kConfigured);
    EXPECT_STREQ(options_of({"--config-file", "/c"}).config_path, "/c");
    EXPECT_EQ(options_of({"--config-file", "/c", "--hold"}).start, StartWhen::kAsked);
    EXPECT_EQ(options_of({"--config-file", "/c", "--no-api"}).start, StartWhen::kConfigured);
    EXPECT_EQ(complaint({"--no-api"}), "--no-api: needs a --config-file");
    EXPECT_EQ(complaint({"--hold"}),
              "--hold: needs a --config-file; without one a client starts the VM");
    EXPECT_EQ(complaint({"--no-api", "--config-file", "/c", "--hold"}),
              "--hold: waits for a client, which --no-api excludes");
}

TEST(ServeOptions, LimitBodies) {
    EXPECT_EQ(options_of({"--http-api-max-payload-size", "1"}).max_payload_bytes, 1U);
    EXPECT_EQ(options_of({"--http-api-max-payload-size=1073741824"}).max_payload_bytes, 1U << 30);
    for (const char* const size : {"1073741825", "-1", "51k", ""})
        EXPECT_NE(complaint({"--http-api-max-payload-size", size}), "none") << size;
}

TEST(ServeOptions, NameTheInstance) {
    EXPECT_EQ(options_of({"--id", "a-Z-0"}).id, "a-Z-0");
    const std::string longest(64, 'x');
    EXPECT_EQ(options_of({"--id", longest.c_str()}).id, longest);
    for (const std::string& id : {std::string(), longest + "x", std::string("a_b"),
                                  std::string("a/b"), std::string("a b"), std::string("\xc3\xbc")})
        EXPECT_NE(complaint({"--id", id.c_str()}).find("takes 1 to 64 letters, digits and hyphens"),
                  std::string::npos)
            << id;
}

TEST(ServeOptions, SetTheLog) {
    const ServeOptions all = options_of({"--log-path", "/l", "--level", "dEBUG", "--show-level",
                                         "--show-log-origin", "--module", "virtio/"});
    ASSERT_TRUE(all.logger.has_value());
    EXPECT_EQ(all.logger->path, "/l");
    EXPECT_EQ(all.logger->level, LogLevel::kDebug);
    EXPECT_EQ(all.logger->shows_level, true);
    EXPECT_EQ(all.logger->shows_origin, true);
    EXPECT_EQ(all.logger->module, "virtio/");
    const ServeOptions one = options_of({"--show-level"});
    ASSERT_TRUE(one.logger.has_value());
    EXPECT_EQ(one.logger->path, std::nullopt);
    EXPECT_EQ(one.logger->shows_origin, std::nullopt);
    EXPECT_EQ(complaint({"--level", "loud"}),
              "loud: --level: is none of Off, Error, Warning, Info, Debug and Trace");
}

TEST(ServeOptions, KnowTheRest) {
    const ServeOptions options =
        options_of({"--metrics-path", "/m", "--boot-timer", "--ready-fd", "7", "--no-seccomp",
                    "--jail=5:6", "--trace", "/t", "--start-time-us", "1", "--start-time-cpu-us",
                    "2", "--parent-cpu-time-us", "18446744073709551615"});
    EXPECT_EQ(options.metrics_path, "/m");
    EXPECT_TRUE(options.log_boot_time);
    EXPECT_EQ(options.ready_fd, 7);
    EXPECT_EQ(options.filters.seccomp, Seccomp::kNone);
    ASSERT_TRUE(options.jail.has_value() && options.jail->ids.has_value());
    EXPECT_STREQ(options.trace_path, "/t");
    EXPECT_EQ(options.start_times.start_time_us, 1U);
    EXPECT_EQ(options.start_times.start_time_cpu_us, 2U);
    EXPECT_EQ(options.start_times.parent_cpu_time_us, UINT64_MAX);
    EXPECT_FALSE(options_of({"--jail"}).jail->ids.has_value());
    EXPECT_STREQ(options_of({"--seccomp-filter", "/f"}).filters.path, "/f");
    EXPECT_EQ(complaint({"--seccomp-filter", "/f", "--no-seccomp"}),
              "--seccomp-filter: and --no-seccomp exclude each other");
    EXPECT_NE(complaint({"--start-time-us", "18446744073709551616"}), "none");
    EXPECT_NE(complaint({"--jail=5"}), "none");
}

TEST(ServeOptions, AJailKeepsAVmApart) {
    if (is_for_a_jail({})) GTEST_SKIP() << "the test itself runs under no_new_privs";
    EXPECT_EQ(options_of({}).tenancy.pages, ImagePages::kShared);
    EXPECT_EQ(options_of({"--jail"}).tenancy.pages, ImagePages::kOwn);
    EXPECT_EQ(options_of({"--jail"}).tenancy.core_scheduling, Measure::kWherePossible);
    EXPECT_EQ(options_of({"--jail", "--kernel-pages=shared"}).tenancy.pages, ImagePages::kShared);
    EXPECT_EQ(options_of({"--ssbd", "on"}).tenancy.ssbd, Measure::kDemanded);
    EXPECT_EQ(complaint({"--ssbd", "1"}), "1: --ssbd: is neither on nor off");
    EXPECT_NE(complaint({"--nested"}), "none");  // the machine-config says so
}

TEST(ServeOptions, RefuseWhatIsNone) {
    EXPECT_NE(complaint({"--kernel", "k"}), "none");
    EXPECT_NE(complaint({"stray"}), "none");
    EXPECT_NE(complaint({"--id"}), "none");
    EXPECT_NE(complaint({"--no-api=1", "--config-file", "c"}), "none");
    EXPECT_EQ(complaint({"--", "x"}), "x: is behind --, and no flag; see mayfly --help");
    EXPECT_NE(complaint({"--id", "a", "--id", "b"}), "none");
}

}  // namespace
