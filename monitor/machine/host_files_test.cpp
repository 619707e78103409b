#include "monitor/machine/host_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

#include "base/record_lock.hpp"
#include "monitor/boot/embedded_guest.hpp"

namespace {

class HostFilesTest : public testing::Test {
protected:
    HostFilesTest() { EXPECT_NE(::mkdtemp(folder_.data()), nullptr); }
    ~HostFilesTest() override {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    std::string absent(const std::string& name) const { return folder_ + "/" + name; }
    std::string file(const std::string& name) const {
        std::ofstream(absent(name), std::ios::binary) << std::string(512, 'x');
        return absent(name);
    }

    std::string complaint() {
        const auto opened = files_.open_missing(config_, kFlagNames);
        if (opened.ok()) return "none";
        std::array<char, 512> line{};
        format_error(opened.error(), line);
        return line.data();
    }

    void add(const std::string& path, DiskAccess access = DiskAccess::kReadWrite) {
        config_.add(DriveConfig{.shape = {.id = {}, .access = access, .partuuid = {}},
                                .host = {.path = path}});
    }

    void keep_drives(size_t count) {
        config_.shape.drives.resize(count);
        config_.host.drives.resize(count);
    }

    // The names of the files in the order in which a machine gets them.
    std::string taken() {
        std::string names;
        for (const Disk& disk : files_.take_devices().disks)
            for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
                struct stat status {};
                ::stat(entry.path().c_str(), &status);
                if (disk.identity() ==
                    FileIdentity{.device = status.st_dev, .number = status.st_ino})
                    names += entry.path().filename().string() + " ";
            }
        return names;
    }

    static bool is_locked(const std::string& path) {
        const UniqueFd one(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        return is_write_locked(one.get(), {});
    }

    static constexpr const char* kTwice =
        ": --disk: is another drive's file, too; give each its own, or let all of them only read";

    std::string folder_ = testing::TempDir() + "host_files.XXXXXX";
    Config config_;
    HostFiles files_;
};

TEST_F(HostFilesTest, HoldTheEmbeddedGuestWhereNoKernelIsNamed) {
    EXPECT_EQ(complaint(), "none");
    EXPECT_EQ(files_.images().kernel.size(), embedded_guest().size());
    EXPECT_FALSE(files_.images().initrd.has_value());
    const DeviceFiles none = files_.take_devices();
    EXPECT_TRUE(none.disks.empty());
    EXPECT_TRUE(none.taps.empty());
    EXPECT_FALSE(none.serial_output);
}

TEST_F(HostFilesTest, AreTheImagesThatAreNamedNow) {
    config_.boot.kernel_path = file("kernel");
    config_.boot.initrd_path = file("initrd");
    EXPECT_EQ(complaint(), "none");
    EXPECT_EQ(files_.images().kernel.name(), config_.boot.kernel_path);
    EXPECT_EQ(files_.images().initrd->name(), config_.boot.initrd_path);
    config_.boot.initrd_path.clear();
    EXPECT_EQ(complaint(), "none");
    EXPECT_FALSE(files_.images().initrd.has_value());
    config_.boot.kernel_path.clear();
    EXPECT_EQ(complaint(), "none");
    EXPECT_EQ(files_.images().kernel.size(), embedded_guest().size());
}

TEST_F(HostFilesTest, NeitherImageChangesWhereOneIsNotThere) {
    config_.boot.kernel_path = file("kernel");
    config_.boot.initrd_path = file("initrd");
    EXPECT_EQ(complaint(), "none");
    const Config before = config_;
    config_.boot.kernel_path = file("other");
    config_.boot.initrd_path = absent("none");
    EXPECT_EQ(complaint(), absent("none") + ": --initrd: No such file or directory");
    EXPECT_EQ(files_.images().kernel.name(), before.boot.kernel_path);
    EXPECT_EQ(files_.images().initrd->name(), before.boot.initrd_path);
    config_.boot.kernel_path = absent("none");
    EXPECT_EQ(complaint(), absent("none") + ": --kernel: No such file or directory");
}

TEST_F(HostFilesTest, GiveDisksInTheOrderOfTheDrives) {
    add(file("a"));
    add(file("b"));
    EXPECT_EQ(complaint(), "none");
    add(file("c"));
    config_.move_to_front(1);
    config_.move_to_front(2);
    EXPECT_EQ(complaint(), "none");
    EXPECT_EQ(taken(), "c b a ");
    EXPECT_EQ(taken(), "");
    EXPECT_FALSE(is_locked(absent("a")));
    EXPECT_EQ(complaint(), "none");  // opened again
    EXPECT_EQ(taken(), "c b a ");
}

TEST_F(HostFilesTest, LetGoOfWhatIsNoLongerNamed) {
    add(file("a"));
    add(file("b"));
    EXPECT_EQ(complaint(), "none");
    EXPECT_TRUE(is_locked(absent("a")));
    config_.move_to_front(1);
    keep_drives(1);
    EXPECT_EQ(complaint(), "none");
    EXPECT_FALSE(is_locked(absent("a")));
    EXPECT_TRUE(is_locked(absent("b")));
}

TEST_F(HostFilesTest, ShareAFileThatIsOnlyRead) {
    add(file("a"), DiskAccess::kReadOnly);
    add(absent("a"), DiskAccess::kReadOnly);
    EXPECT_EQ(complaint(), "none");
    EXPECT_EQ(taken(), "a a ");
    add(absent("a"), DiskAccess::kReadWrite);
    EXPECT_EQ(complaint(), absent("a") + kTwice);
    keep_drives(2);
    EXPECT_EQ(complaint(), "none");
    keep_drives(1);
    EXPECT_EQ(complaint(), "none");
    EXPECT_EQ(taken(), "a ");
}

// By whatever names, and whether it is open already or is only now opened.
TEST_F(HostFilesTest, SayThatAFileIsGivenTwice) {
    std::filesystem::create_hard_link(file("a"), absent("b"));
    for (const auto& [first, second] : {std::pair{DiskAccess::kReadWrite, DiskAccess::kReadWrite},
                                        {DiskAccess::kReadWrite, DiskAccess::kReadOnly},
                                        {DiskAccess::kReadOnly, DiskAccess::kReadWrite}}) {
        for (const bool is_open : {false, true}) {
            add(absent("a"), first);
            if (is_open) {
                EXPECT_EQ(complaint(), "none");
            }
            add(absent("b"), second);
            EXPECT_EQ(complaint(), absent("b") + kTwice);
            keep_drives(0);
            EXPECT_EQ(complaint(), "none");
        }
    }
    const Disk somebody = Disk::open(absent("a").c_str(), DiskAccess::kReadWrite).value();
    add(absent("a"));
    EXPECT_NE(complaint().find("is in use by another process"), std::string::npos);
}

TEST_F(HostFilesTest, ChangeTheModeOfAFile) {
    add(file("a"), DiskAccess::kReadOnly);
    EXPECT_EQ(complaint(), "none");
    config_.shape.drives[0].access = DiskAccess::kReadWrite;
    EXPECT_EQ(complaint(), "none");
    EXPECT_TRUE(is_locked(absent("a")));
    const DeviceFiles files = files_.take_devices();
    ASSERT_EQ(files.disks.size(), 1U);
    EXPECT_EQ(files.disks[0].access(), DiskAccess::kReadWrite);
}

TEST_F(HostFilesTest, SayOfAnImageHowOneIsMade) {
    add(absent("none"), DiskAccess::kReadOnly);
    config_.host.drives[0].is_image = true;
    EXPECT_EQ(complaint(), absent("none") +
                               ": --image: No such file or directory; make it first, as with "
                               "mayfly-image SOURCE IMAGE");
    config_.host.drives[0].path = folder_;
    EXPECT_EQ(complaint(), folder_ +
                               ": --image: Is a directory; make an image of it, as with "
                               "mayfly-image FOLDER IMAGE");
    config_.host.drives[0].path = file("a");
    add(file("a"));
    EXPECT_EQ(complaint(), absent("a") +
                               ": --disk: is another drive's file, too; give each its own, or let "
                               "all of them only read");
}

// The rest that fills no sector is no change.
TEST_F(HostFilesTest, KeepADiskWhoseSizeIsOdd) {
    add(file("a"));
    std::filesystem::resize_file(absent("a"), 700);
    EXPECT_EQ(complaint(), "none");
    testing::internal::CaptureStderr();
    files_.notice_changes();
    EXPECT_EQ(complaint(), "none");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");  // it was not opened again
    std::filesystem::resize_file(absent("a"), 701);
    testing::internal::CaptureStderr();
    files_.notice_changes();
    EXPECT_EQ(complaint(), "none");
    EXPECT_NE(testing::internal::GetCapturedStderr().find("the last 189 bytes"), std::string::npos);
}

// As it is for a process that has lost sight of the file system.
TEST_F(HostFilesTest, KeepWhatWasOpenWhereSomethingElseIsNotThere) {
    add(file("a"));
    add(file("b"));
    EXPECT_EQ(complaint(), "none");
    const Config before = config_;
    config_.host.drives[0].path = absent("none");
    EXPECT_EQ(complaint(), absent("none") +
                               ": --disk: No such file or directory; create it first, "
                               "as with truncate -s 1G FILE");
    EXPECT_TRUE(is_locked(absent("a")));
    EXPECT_TRUE(is_locked(absent("b")));
    config_ = before;
    std::filesystem::rename(absent("a"), absent("A"));
    std::filesystem::rename(absent("b"), absent("B"));
    EXPECT_EQ(complaint(), "none");
    EXPECT_EQ(taken(), "A B ");
}

TEST_F(HostFilesTest, SayWhichNicHasNoTap) {
    config_.add(NicConfig{.shape = {.id = "n"}, .host = {.tap = "no-such-tap"}});
    const std::string why = complaint();
    EXPECT_NE(why.find("--net: "), std::string::npos) << why;
    EXPECT_TRUE(files_.take_devices().taps.empty());
}

TEST_F(HostFilesTest, OpenTheSerialLinesOutput) {
    config_.host.serial_output_path = absent("no/serial");
    EXPECT_NE(complaint().find("stdout: "), std::string::npos);
    config_.host.serial_output_path = absent("serial");
    EXPECT_EQ(complaint(), "none");
    EXPECT_TRUE(std::filesystem::exists(absent("serial")));
    EXPECT_TRUE(files_.take_devices().serial_output);
    EXPECT_FALSE(files_.take_devices().serial_output);
    EXPECT_EQ(complaint(), "none");
    EXPECT_TRUE(files_.take_devices().serial_output);
    config_.host.serial_output_path.clear();
    EXPECT_EQ(complaint(), "none");
    EXPECT_FALSE(files_.take_devices().serial_output);
}

}  // namespace
