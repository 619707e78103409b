#include "rootfs/init/surroundings.hpp"

#include <arpa/inet.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>

namespace {

std::optional<NetworkSettings> network(const char* address) {
    NetworkSettings settings;
    EXPECT_EQ(::inet_pton(AF_INET, address, &settings.address), 1);
    return settings;
}

TEST(Surroundings, HostsHaveLocalhostAndTheMachine) {
    EXPECT_EQ(hosts_file("mayfly", std::nullopt, false),
              "127.0.0.1\tlocalhost\n127.0.1.1\tmayfly\n");
    EXPECT_EQ(hosts_file("web-1", network("172.16.0.2"), false),
              "127.0.0.1\tlocalhost\n172.16.0.2\tweb-1\n");
}

TEST(Surroundings, HostsKnowIpv6WhereTheKernelDoes) {
    EXPECT_EQ(hosts_file("a", std::nullopt, true),
              "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\ta\n");
}

TEST(Surroundings, AFullNameHasItsShortOneToo) {
    EXPECT_EQ(hosts_file("web.example.org", network("10.0.0.1"), false),
              "127.0.0.1\tlocalhost\n10.0.0.1\tweb.example.org web\n");
    EXPECT_EQ(hosts_file(".x", network("10.0.0.1"), false), "127.0.0.1\tlocalhost\n10.0.0.1\t.x\n");
}

TEST(Surroundings, FoldersAreMadeWithThoseAbove) {
    std::string top = testing::TempDir() + "surroundings.XXXXXX";
    ASSERT_NE(::mkdtemp(top.data()), nullptr);
    EXPECT_TRUE(make_folders(top + "/a/b//c/"));
    EXPECT_TRUE(make_folders(top + "/a/b//c/"));  // they are there already
    EXPECT_TRUE(std::filesystem::is_directory(top + "/a/b/c"));
    EXPECT_TRUE(make_folders("/"));
    ASSERT_EQ(::symlink("nowhere", (top + "/link").c_str()), 0);
    EXPECT_FALSE(make_folders(top + "/link/x"));
    std::filesystem::remove_all(top);
}

}  // namespace
