#include "rootfs/mkimage/staging_tree.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

#include "rootfs/mkimage/workplace.hpp"

namespace {

// The tree belongs to whoever runs the tests.
Attributes plain(mode_t mode) {
    return {.mode = mode, .owner = ::getuid(), .group = ::getgid(), .modified = {.tv_sec = 1000}};
}

class StagingTreeTest : public testing::Test {
protected:
    StagingTreeTest() : folder_(made()), tree_(StagingTree::create(folder_ + "/tree").value()) {}
    StagingTreeTest(const StagingTreeTest&) = delete;
    StagingTreeTest& operator=(const StagingTreeTest&) = delete;
    ~StagingTreeTest() override { remove_folder(folder_); }

    static std::string made() {
        std::string folder = testing::TempDir() + "mayfly-tree-XXXXXX";
        EXPECT_NE(::mkdtemp(folder.data()), nullptr);
        return folder;
    }

    // Puts a file; returns its place, or the error's text.
    std::string put(const std::string& path) {
        const auto file = tree_.put_file(path);
        if (!file.ok()) return "failed";
        EXPECT_TRUE(tree_.finish_file(file.value(), plain(0644)).ok());
        return file.value().place;
    }
    bool exists(const std::string& place) const {
        return std::filesystem::exists(std::filesystem::symlink_status(tree_.path() + "/" + place));
    }

    std::string folder_;
    StagingTree tree_;
};

// Only root may make what is missing on the way root's; the others run as themselves here.
#define NEEDS_ROOT() \
    if (::getuid() != 0) GTEST_SKIP() << "needs root"

TEST_F(StagingTreeTest, LinksLeadNowhereButIntoTheTree) {
    std::ofstream(folder_ + "/outside") << "x";
    ASSERT_TRUE(tree_.put_folder("etc", plain(0755)).ok());
    ASSERT_TRUE(tree_.put_symlink("absolute", "/etc", plain(0777)).ok());
    ASSERT_TRUE(tree_.put_symlink("up", "../..", plain(0777)).ok());
    ASSERT_TRUE(tree_.put_symlink("proc", "/proc/self/root", plain(0777)).ok());
    EXPECT_EQ(put("absolute/a"), "etc/a");
    EXPECT_EQ(put("up/b"), "b");
    EXPECT_EQ(put("up/etc/c"), "etc/c");
    EXPECT_EQ(put("proc/d"), "failed");
    const auto none = [](const std::string&) { return false; };
    EXPECT_TRUE(tree_.remove("up/outside", none).ok());
    EXPECT_TRUE(tree_.empty("up", [](const std::string& it) { return it == "etc"; }).ok());
    EXPECT_TRUE(std::filesystem::exists(folder_ + "/outside"));
    EXPECT_FALSE(exists("b"));
}

TEST_F(StagingTreeTest, WhatIsInTheWayGoes) {
    ASSERT_TRUE(tree_.put_folder("a", plain(0755)).ok());
    EXPECT_EQ(put("a/b"), "a/b");
    ASSERT_TRUE(tree_.put_folder("a", plain(0700)).ok());
    EXPECT_TRUE(exists("a/b")) << "a folder over a folder keeps what is in it";
    EXPECT_EQ(put("a"), "a");
    EXPECT_FALSE(exists("a/b"));
    ASSERT_TRUE(tree_.put_folder("a", plain(0755)).ok());
    EXPECT_EQ(put("a/c"), "a/c");
}

// The parent that was looked up last is looked up again when its name means something else.
TEST_F(StagingTreeTest, AParentThatWasReplacedIsForgotten) {
    ASSERT_TRUE(tree_.put_folder("real", plain(0755)).ok());
    ASSERT_TRUE(tree_.put_folder("a", plain(0755)).ok());
    EXPECT_EQ(put("a/x"), "a/x");
    ASSERT_TRUE(tree_.put_symlink("a", "real", plain(0777)).ok());
    EXPECT_EQ(put("a/x"), "real/x");
    ASSERT_TRUE(tree_.put_symlink("a", "/", plain(0777)).ok());
    EXPECT_EQ(put("a/x"), "x");
}

TEST_F(StagingTreeTest, AFileWithTwoNamesIsReplacedAtOne) {
    EXPECT_EQ(put("a"), "a");
    ASSERT_TRUE(tree_.put_hard_link("b", "a").ok());
    ASSERT_TRUE(tree_.put_hard_link("b", "a").ok()) << "to itself";
    struct stat before {};
    struct stat after {};
    ASSERT_EQ(::stat((tree_.path() + "/b").c_str(), &before), 0);
    EXPECT_EQ(put("a"), "a");
    ASSERT_EQ(::stat((tree_.path() + "/b").c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino);
    EXPECT_EQ(after.st_nlink, 1U);
    EXPECT_FALSE(tree_.put_hard_link("c", "none").ok());
    EXPECT_FALSE(tree_.put_hard_link("c", "no/ne").ok());
}

TEST_F(StagingTreeTest, KeptPlacesStay) {
    ASSERT_TRUE(tree_.put_folder("d", plain(0755)).ok());
    ASSERT_TRUE(tree_.put_folder("d/e", plain(0755)).ok());
    put("d/e/kept");
    put("d/e/gone");
    const auto is_kept = [](const std::string& it) {
        return it == "d" || it == "d/e" || it == "d/e/kept";
    };
    EXPECT_TRUE(tree_.remove("d", is_kept).ok());
    EXPECT_TRUE(exists("d/e/kept"));
    EXPECT_FALSE(exists("d/e/gone"));
    EXPECT_TRUE(tree_.remove("not/there", is_kept).ok());
}

TEST_F(StagingTreeTest, TimesOfFoldersSettle) {
    NEEDS_ROOT();
    ASSERT_TRUE(tree_.put_folder("d", plain(0755)).ok());
    put("d/e/f");
    put("d/x");
    ASSERT_TRUE(tree_.settle_times().ok());
    struct stat status {};
    ASSERT_EQ(::stat((tree_.path() + "/d").c_str(), &status), 0);
    EXPECT_EQ(status.st_mtime, 1000);
    ASSERT_EQ(::stat((tree_.path() + "/d/e").c_str(), &status), 0);
    EXPECT_EQ(status.st_mtime, 0) << "nobody put it";
}

TEST_F(StagingTreeTest, NoTreeIsDeeperThanAPath) {
    NEEDS_ROOT();
    std::string path;
    for (int depth = 0; depth < 1990; ++depth) path += "d/";
    EXPECT_EQ(put(path + "x"), "failed");
    ASSERT_TRUE(tree_.put_symlink("down0", ".", plain(0777)).ok());
    bool failed = false;
    for (int hop = 0; hop < 40 && !failed; ++hop) {
        const std::string next = "down" + std::to_string(hop) + "/" + std::string(200, 'd');
        failed = !tree_.put_folder(next, plain(0755)).ok() ||
                 !tree_.put_symlink("down" + std::to_string(hop + 1), next, plain(0777)).ok();
    }
    EXPECT_TRUE(failed);
    remove_folder(folder_ + "/tree");
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/tree"));
}

}  // namespace
