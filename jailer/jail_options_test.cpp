#include "jailer/jail_options.hpp"

#include <gtest/gtest.h>
#include <string_view>

namespace {

Result<JailOptions> parse(std::vector<const char*> more) {
    std::vector<const char*> arguments{"--id",  "a-1", "--exec-file", "/bin/vmm",
                                       "--uid", "10",  "--gid",       "11"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return JailOptions::parse(arguments);
}

void expect_refused(const Result<JailOptions>& parsed, std::string_view flag) {
    ASSERT_FALSE(parsed.ok()) << flag;
    std::array<char, 256> line{};
    format_error(parsed.error(), line);
    EXPECT_NE(std::string_view(line.data()).find(flag), std::string_view::npos) << line.data();
}

TEST(JailOptions, HaveThePeersDefaults) {
    const auto parsed = parse({});
    ASSERT_TRUE(parsed.ok());
    const JailOptions& jail = parsed.value();
    EXPECT_EQ(jail.id, "a-1");
    EXPECT_EQ(jail.exec_file, "/bin/vmm");
    EXPECT_EQ(jail.ids.uid, 10U);
    EXPECT_EQ(jail.ids.gid, 11U);
    EXPECT_EQ(jail.base, "/srv/jailer");
    EXPECT_EQ(jail.netns, nullptr);
    EXPECT_FALSE(jail.daemonize || jail.new_pid_ns || jail.cleanup || jail.keeps_network);
    ASSERT_EQ(jail.limits.size(), 1U);
    EXPECT_EQ(jail.limits[0].resource, RLIMIT_NOFILE);
    EXPECT_EQ(jail.limits[0].value, 2048U);
}

TEST(JailOptions, TakeEveryFlag) {
    const auto parsed = parse({"--chroot-base-dir=/j",
                               "--netns",
                               "/n",
                               "--daemonize",
                               "--new-pid-ns",
                               "--cleanup",
                               "--cgroup",
                               "cpu.max=5 10",
                               "--cgroup",
                               "pids.max=9",
                               "--cgroup-version",
                               "2",
                               "--parent-cgroup",
                               "a/b",
                               "--resource-limit",
                               "no-file=99",
                               "--resource-limit",
                               "fsize=7",
                               "--bind",
                               "/a:b:/c:ro",
                               "--keep-fd",
                               "5",
                               "--",
                               "--api-sock",
                               "x"});
    ASSERT_TRUE(parsed.ok());
    const JailOptions& jail = parsed.value();
    ASSERT_EQ(jail.cgroups.size(), 2U);
    EXPECT_EQ(jail.cgroups[0].file, "cpu.max");
    EXPECT_EQ(jail.cgroups[0].value, "5 10");
    EXPECT_EQ(jail.cgroups[0].controller(), "cpu");
    EXPECT_EQ(jail.cgroup_version, CgroupVersion::kV2);
    ASSERT_EQ(jail.limits.size(), 2U);
    EXPECT_EQ(jail.limits[0].value, 99U);
    ASSERT_EQ(jail.binds.size(), 1U);
    EXPECT_EQ(jail.binds[0].source, "/a:b");
    EXPECT_EQ(jail.binds[0].destination, "/c");
    EXPECT_TRUE(jail.binds[0].is_read_only);
    EXPECT_EQ(jail.kept_fds, std::vector{5});
    EXPECT_EQ(jail.arguments.size(), 2U);
}

TEST(JailOptions, NameWhatIsMissing) {
    expect_refused(JailOptions::parse({}), "--id");
    const std::vector<const char*> no_file{"--id", "a"};
    expect_refused(JailOptions::parse(no_file), "--exec-file");
    const std::vector<const char*> no_uid{"--id", "a", "--exec-file", "f"};
    expect_refused(JailOptions::parse(no_uid), "--uid");
}

TEST(JailOptions, RefuseIdsThatLeaveTheirFolder) {
    const std::string long_id(65, 'a');
    for (const char* const id :
         {"", ".", "..", "a/b", "a_b", "../../etc", "a b", long_id.c_str()}) {
        const std::vector<const char*> arguments{"--id",  id,   "--exec-file", "f",
                                                 "--uid", "10", "--gid",       "10"};
        expect_refused(JailOptions::parse(arguments), "--id");
    }
    for (const char* const file : {"", "/", "bin/", "../vmm", "/a/../../vmm"}) {
        const std::vector<const char*> arguments{"--id",  "a",  "--exec-file", file,
                                                 "--uid", "10", "--gid",       "10"};
        expect_refused(JailOptions::parse(arguments), "--exec-file");
    }
}

TEST(JailOptions, RefuseBadValues) {
    for (const char* const id : {"-1", "4294967294", "99999999999999999999", "root", ""}) {
        const std::vector<const char*> arguments{"--id",  "a", "--exec-file", "f",
                                                 "--uid", id,  "--gid",       "10"};
        expect_refused(JailOptions::parse(arguments), "--uid");
    }
    for (const char* const text : {"cpu.max", "cpu.max=", "=1", "cpu=1", ".max=1", "../cpu.max=1"})
        expect_refused(parse({"--cgroup", text}), "--cgroup");
    for (const char* const text : {"0", "3", "two", ""})
        expect_refused(parse({"--cgroup-version", text}), "--cgroup-version");
    for (const char* const text : {"", "/a", "..", "a/../.."})
        expect_refused(parse({"--parent-cgroup", text}), "--parent-cgroup");
    for (const char* const text : {"", "no-file", "no-file=", "no-file=-1", "core=1", "fsize=1K"})
        expect_refused(parse({"--resource-limit", text}), "--resource-limit");
    for (const char* const text : {"", "/a", ":/a", "/a:b", "/a:/b/", "/a:/b/../../c", "/a:/:ro"})
        expect_refused(parse({"--bind", text}), "--bind");
    for (const char* const text : {"", "-1", "x", "4294967296"})
        expect_refused(parse({"--keep-fd", text}), "--keep-fd");
    expect_refused(parse({"--netns", "/n", "--keep-network"}), "--keep-network");
    expect_refused(parse({"--chroot"}), "--chroot");
}

}  // namespace
