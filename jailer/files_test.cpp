#include "jailer/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

namespace {

// A folder that is gone with the test.
class FilesTest : public testing::Test {
protected:
    FilesTest() {
        std::array<char, 32> name{"/tmp/mayfly-files-XXXXXX"};
        folder_ = ::mkdtemp(name.data());
    }
    ~FilesTest() override { remove_tree(AT_FDCWD, folder_.c_str()); }

    std::string path(const char* name) const { return folder_ + "/" + name; }
    void make_file(const char* name) const {
        const int file = ::open(path(name).c_str(), O_CREAT | O_WRONLY, 0600);
        EXPECT_GE(file, 0);
        ::close(file);
    }
    bool exists(const char* name) const {
        return ::faccessat(AT_FDCWD, path(name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    }

    std::string folder_;
};

TEST_F(FilesTest, AreWrittenIfTheyExistAndReadBack) {
    EXPECT_FALSE(write_file(AT_FDCWD, path("a").c_str(), "x").ok());
    make_file("a");
    EXPECT_TRUE(write_file(AT_FDCWD, path("a").c_str(), "text").ok());
    const auto text = read_file(AT_FDCWD, path("a").c_str());
    ASSERT_TRUE(text.ok());
    EXPECT_EQ(text.value(), "text");
    EXPECT_FALSE(read_file(AT_FDCWD, path("b").c_str()).ok());
}

TEST_F(FilesTest, ATreeIsRemovedAndNothingThatItsLinksNameIs) {
    ::mkdir(path("kept").c_str(), 0700);
    make_file("kept/file");
    ::mkdir(path("tree").c_str(), 0700);
    ::mkdir(path("tree/deep").c_str(), 0700);
    make_file("tree/deep/file");
    EXPECT_EQ(::symlink("../../kept", path("tree/deep/link").c_str()), 0);
    EXPECT_EQ(::symlink("../kept", path("tree/link").c_str()), 0);
    const int parent = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY);
    remove_tree(parent, "tree");
    remove_tree(parent, "absent");
    ::close(parent);
    EXPECT_FALSE(exists("tree"));
    EXPECT_TRUE(exists("kept/file"));
}

}  // namespace
