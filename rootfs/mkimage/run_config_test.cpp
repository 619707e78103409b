#include "rootfs/mkimage/run_config.hpp"

#include <gtest/gtest.h>
#include <string>
#include <string_view>

#include "rootfs/mkimage/scratch_folder.hpp"

namespace {

using std::string_view_literals::operator""sv;

const RunConfig kRun{.arguments = {"/bin/sh", ""}, .environment = {"A=b=c"}, .user = "1:2"};
constexpr auto kEncoded = "arg=/bin/sh\0arg=\0env=A=b=c\0user=1:2\0"sv;

class WritingRunConfig : public testing::Test {
protected:
    ScratchFolder box;
    StagingTree tree = StagingTree::create(box.in("tree")).value();
};

TEST(RunConfig, IsStringsThatEachEndInANul) {
    EXPECT_EQ(encode(kRun), kEncoded);
    EXPECT_EQ(encode({}), "");
    EXPECT_EQ(encode({.workdir = "/w"}), "workdir=/w\0"sv);
}

TEST_F(WritingRunConfig, IsReadableByAll) {
    if (::geteuid() != 0) GTEST_SKIP() << "root's files need root";
    ASSERT_TRUE(write_run_config(kRun, tree).ok());
    EXPECT_EQ(box.read("tree/.mayfly/config"), kEncoded);
    EXPECT_EQ(box.status("tree/.mayfly").st_mode, S_IFDIR | 0755U);
    EXPECT_EQ(box.status("tree/.mayfly/config").st_mode, S_IFREG | 0644U);
}

TEST_F(WritingRunConfig, NoLayerSaysHowItIsRun) {
    ASSERT_EQ(::mkdir(box.in("tree/.mayfly").c_str(), 0755), 0);
    box.write("tree/.mayfly/config", "arg=/evil");
    ASSERT_TRUE(write_run_config({}, tree).ok());
    EXPECT_FALSE(box.has("tree/.mayfly"));
}

TEST_F(WritingRunConfig, ALinkInItsPlaceIsNotFollowed) {
    ASSERT_EQ(::mkdir(box.in("tree/etc").c_str(), 0755), 0);
    box.write("tree/etc/config", "the image's");
    ASSERT_EQ(::symlink("etc", box.in("tree/.mayfly").c_str()), 0);
    ASSERT_TRUE(write_run_config({}, tree).ok());
    EXPECT_FALSE(box.has("tree/.mayfly"));
    EXPECT_EQ(box.read("tree/etc/config"), "the image's");
}

}  // namespace
