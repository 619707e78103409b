#include "monitor/snapshot/new_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace {

class NewFileTest : public ::testing::Test {
protected:
    NewFileTest() { EXPECT_NE(::mkdtemp(folder_.data()), nullptr); }
    ~NewFileTest() override { std::filesystem::remove_all(folder_); }
    NewFileTest(const NewFileTest&) = delete;
    NewFileTest& operator=(const NewFileTest&) = delete;

    std::string at(const char* name) const { return folder_ + "/" + name; }
    void put(const char* name, const char* text) const { std::ofstream(at(name)) << text; }
    std::string text(const char* name) const {
        std::ifstream file(at(name));
        return {std::istreambuf_iterator<char>(file), {}};
    }
    size_t files() const {
        return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
    }

private:
    std::string folder_ = "/tmp/new_file.XXXXXX";
};

constexpr std::array kNew{std::byte{'n'}, std::byte{'e'}, std::byte{'w'}};

TEST_F(NewFileTest, TakesTheOldOnesPlaceAtTheEnd) {
    put("file", "old");
    {
        auto file = NewFile::create(at("file"), ".1");
        ASSERT_TRUE(file.ok());
        ASSERT_TRUE(file.value().write(kNew, 0).ok());
        ASSERT_TRUE(file.value().sync().ok());
        EXPECT_EQ(text("file"), "old");
        ASSERT_TRUE(file.value().take_place().ok());
        ASSERT_TRUE(file.value().sync_folder().ok());
    }
    EXPECT_EQ(text("file"), "new");
    EXPECT_EQ(files(), 1U);
}

TEST_F(NewFileTest, IsGoneIfItHasNotTakenItsPlace) {
    put("file", "old");
    {
        auto file = NewFile::create(at("file"), ".1");
        ASSERT_TRUE(file.ok());
        ASSERT_TRUE(file.value().write(kNew, 0).ok());
    }
    EXPECT_EQ(text("file"), "old");
    EXPECT_EQ(files(), 1U);
}

TEST_F(NewFileTest, IsLeftUnderItsOwnName) {
    NewFile::create(at("file"), ".1").value().leave();
    EXPECT_EQ(files(), 1U);
    EXPECT_TRUE(std::filesystem::exists(at("file.1")));
}

TEST_F(NewFileTest, HasHolesAndIsItsOwnersAlone) {
    auto file = NewFile::create(at("file"), ".1");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file.value().write(kNew, 1 << 20).ok());
    ASSERT_TRUE(file.value().set_size(4 << 20).ok());
    ASSERT_TRUE(file.value().take_place().ok());
    struct stat status {};
    ASSERT_EQ(::stat(at("file").c_str(), &status), 0);
    EXPECT_EQ(status.st_size, 4 << 20);
    EXPECT_LT(status.st_blocks * 512, 1 << 20);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(NewFileTest, TakesNoPlaceButAFiles) {
    const auto code = [](const std::string& path) {
        const auto file = NewFile::create(path, ".1");
        return file.ok() ? 0 : file.error().code;
    };
    EXPECT_EQ(code("/dev/null"), EEXIST);
    EXPECT_EQ(code(at("missing/file")), ENOENT);
    put("file.1", "another's");
    EXPECT_EQ(code(at("file")), EEXIST);
    EXPECT_EQ(text("file.1"), "another's");
}

}  // namespace
