#include "base/trusted_folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

namespace {

// A folder of our own in /tmp, which keeps the names of everybody.
class TrustedFolder : public testing::Test {
public:
    TrustedFolder(const TrustedFolder&) = delete;
    TrustedFolder& operator=(const TrustedFolder&) = delete;

protected:
    TrustedFolder() {
        EXPECT_NE(::mkdtemp(path_.data()), nullptr);
        EXPECT_EQ(::chmod(path_.c_str(), 0755), 0);
    }
    ~TrustedFolder() override { std::filesystem::remove_all(path_); }

    std::string in(const std::string& name) const { return path_ + "/" + name; }
    void folder(const std::string& name, mode_t mode = 0755) const {
        EXPECT_EQ(::mkdir(in(name).c_str(), mode), 0);
        EXPECT_EQ(::chmod(in(name).c_str(), mode), 0);  // whatever the umask
    }
    void link(const std::string& name, const std::string& target) const {
        EXPECT_EQ(::symlink(target.c_str(), in(name).c_str()), 0);
    }
    bool leads_to(const std::string& path, const std::string& folder) const {
        const auto found = find_folder(path);
        struct stat status {};
        return found.ok() && ::stat(in(folder).c_str(), &status) == 0 &&
               is_same_file(status, found.value().status);
    }

    std::string path_ = "/tmp/mayfly-trusted-XXXXXX";
};

TEST_F(TrustedFolder, OurLinksAreFollowed) {
    folder("a");
    folder("a/b");
    link("absolute", in("a"));
    link("relative", "a/../a/b");
    link("chain", "absolute/b");
    EXPECT_TRUE(leads_to(in("a/./b/../b/"), "a/b"));
    EXPECT_TRUE(leads_to(in("absolute/b"), "a/b"));
    EXPECT_TRUE(leads_to(in("relative"), "a/b"));
    EXPECT_TRUE(leads_to(in("chain"), "a/b"));
    EXPECT_TRUE(find_folder(in("chain")).value().is_trusted());
    link("round", "round");
    EXPECT_EQ(find_folder(in("round")).error().code, ELOOP);
    EXPECT_EQ(find_folder(in("absent")).error().code, ENOENT);
}

TEST_F(TrustedFolder, LinksThatOthersCouldMakeAreNot) {
    folder("a");
    folder("theirs", 0777);
    folder("theirs/b");
    link("theirs/link", in("a"));
    EXPECT_EQ(find_folder(in("theirs/link")).error().code, ELOOP);
    EXPECT_TRUE(leads_to(in("theirs/b"), "theirs/b"));
    EXPECT_FALSE(find_folder(in("theirs/b")).value().is_trusted()) << "it can be swapped";
    EXPECT_FALSE(find_folder(in("theirs")).value().keeps_our_names());
    folder("sticky", 01777);
    link("sticky/link", in("a"));
    EXPECT_TRUE(leads_to(in("sticky/link"), "a")) << "nobody else can change it";
    EXPECT_TRUE(find_folder(in("sticky")).value().keeps_our_names());
    EXPECT_FALSE(find_folder(in("sticky")).value().is_trusted());
}

TEST_F(TrustedFolder, WhatSomebodyElseOwnsIsNotTrusted) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    folder("theirs");
    folder("theirs/b");
    ASSERT_EQ(::chown(in("theirs").c_str(), 12345, 12345), 0);
    EXPECT_FALSE(find_folder(in("theirs")).value().is_trusted());
    EXPECT_FALSE(find_folder(in("theirs/b")).value().is_trusted());
    EXPECT_FALSE(make_trusted_folder(in("theirs/c")).ok());
    EXPECT_FALSE(std::filesystem::exists(in("theirs/c")));
    folder("sticky", 01777);
    link("sticky/link", in("theirs"));
    ASSERT_EQ(::lchown(in("sticky/link").c_str(), 12345, 12345), 0);
    EXPECT_EQ(find_folder(in("sticky/link")).error().code, ELOOP);
}

TEST_F(TrustedFolder, IsMadeWithoutLinksWhereNobodyElseMayWrite) {
    folder("a");
    link("link", in("a"));
    EXPECT_TRUE(make_trusted_folder(in("b/c")).ok());
    EXPECT_TRUE(make_trusted_folder(in("b/c")).ok()) << "it is there already";
    EXPECT_EQ(make_trusted_folder(in("link/c")).error().code, ELOOP);
    EXPECT_FALSE(std::filesystem::exists(in("a/c")));
    for (const mode_t mode : {0775U, 0757U}) {
        ASSERT_EQ(::chmod(in("a").c_str(), mode), 0);
        EXPECT_EQ(make_trusted_folder(in("a")).error().code, EPERM);
        EXPECT_EQ(make_trusted_folder(in("a/c")).error().code, EPERM);
    }
    EXPECT_FALSE(std::filesystem::exists(in("a/c")));
}

TEST_F(TrustedFolder, ARelativePathIsAsGoodAsTheWayToTheWorkingFolder) {
    folder("theirs", 0777);
    folder("theirs/mine");
    folder("mine");
    const UniqueFd before(::open(".", O_PATH | O_CLOEXEC));
    ASSERT_EQ(::chdir(in("theirs/mine").c_str()), 0);
    EXPECT_FALSE(make_trusted_folder("c").ok());
    ASSERT_EQ(::chdir(in("mine").c_str()), 0);
    EXPECT_TRUE(make_trusted_folder("c").ok());
    EXPECT_TRUE(leads_to("c", "mine/c"));
    ASSERT_EQ(::fchdir(before.get()), 0);
}

}  // namespace
