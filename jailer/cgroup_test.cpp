#include "jailer/cgroup.hpp"

#include <gtest/gtest.h>

namespace {

TEST(CgroupMounts, OfBothVersionsAreFound) {
    const auto mounts = parse_cgroup_mounts(
        "proc /proc proc rw 0 0\n"
        "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu,cpuacct 0 0\n"
        "short line\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0");
    ASSERT_EQ(mounts.size(), 2U);
    EXPECT_EQ(mounts[0].version, CgroupVersion::kV1);
    EXPECT_EQ(mounts[0].path, "/sys/fs/cgroup/cpu");
    EXPECT_EQ(mounts[0].controllers.back(), "cpuacct");
    EXPECT_EQ(mounts[1].version, CgroupVersion::kV2);
    EXPECT_TRUE(mounts[1].controllers.empty());
    EXPECT_TRUE(parse_cgroup_mounts("").empty());
    EXPECT_TRUE(parse_cgroup_mounts("\n\n \n").empty());
}

TEST(Cgroups, OfNoSettingAreNone) {
    const auto none = Cgroups::create({}, std::nullopt, "parent", "id");
    ASSERT_TRUE(none.ok());
    EXPECT_TRUE(none.value().join().ok());
}

TEST(Cgroups, NameAControllerThatIsNowhere) {
    const std::vector<CgroupSetting> settings{{"mayfly.max", "1"}};
    const auto created = Cgroups::create(settings, std::nullopt, "parent", "id");
    ASSERT_FALSE(created.ok());
    EXPECT_EQ(created.error().subject(), "mayfly.max");
}

}  // namespace
