#include "virtio/disk.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <tuple>

#include "base/record_lock.hpp"
#include "virtio/disk_format.hpp"

namespace {

class DiskTest : public testing::Test {
protected:
    DiskTest() : folder_(testing::TempDir() + "disk.XXXXXX") {}

    void SetUp() override { ASSERT_NE(::mkdtemp(folder_.data()), nullptr); }
    void TearDown() override {
        ::unlink(path("disk").c_str());
        ::rmdir(folder_.c_str());
    }

    std::string path(const char* name) const { return folder_ + "/" + name; }

    // A file of that size, all of it a hole.
    std::string file(off_t size_bytes) const {
        const UniqueFd fd(
            ::open(path("disk").c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600));
        EXPECT_TRUE(fd);
        EXPECT_EQ(::ftruncate(fd.get(), size_bytes), 0);
        return path("disk");
    }

    // What is said of a disk that cannot be opened, behind its path.
    static std::string complaint(const std::string& path,
                                 DiskAccess access = DiskAccess::kReadWrite) {
        const Result<Disk> disk = Disk::open(path.c_str(), access);
        if (disk.ok()) return "none";
        std::array<char, 512> line{};
        format_error(disk.error(), line);
        const std::string whole(line.data());
        EXPECT_EQ(whole.substr(0, path.size() + 2), path + ": ");
        return whole.substr(path.size() + 2);
    }

    std::string folder_;
};

TEST_F(DiskTest, SaysHowLargeItIs) {
    for (const off_t size : {off_t{512}, off_t{4096}, off_t{512} * 2049, off_t{1} << 40}) {
        const Disk disk = Disk::open(file(size).c_str(), DiskAccess::kReadWrite).value();
        EXPECT_EQ(disk.size_bytes(), static_cast<uint64_t>(size));
        EXPECT_EQ(disk.access(), DiskAccess::kReadWrite);
        EXPECT_TRUE(std::has_single_bit(disk.physical_block_bytes()));
        EXPECT_GE(disk.physical_block_bytes(), 512U);
        EXPECT_LE(disk.physical_block_bytes(), 4096U);
        EXPECT_NE(::fcntl(disk.fd(), F_GETFD) & FD_CLOEXEC, 0);
    }
}

// A client may put a file there that it will change for another, or that grows.
TEST_F(DiskTest, HoldsWholeSectorsAndWarnsOfTheRest) {
    const std::string kEmpty =
        ": holds no sector of 512 bytes; the guest sees an empty disk until that changes";
    const auto kRest = [](int bytes) {
        return ": the guest does not see the last " + std::to_string(bytes) +
               " bytes, which fill no sector of 512";
    };
    const std::array<std::tuple<off_t, uint64_t, std::string>, 5> sizes{
        {{0, 0, kEmpty},
         {511, 0, kEmpty},
         {513, 512, kRest(1)},
         {512 * 2049 - 1, 512 * 2048, kRest(511)},
         {1024, 1024, ""}}};
    for (const auto& [size, seen, warning] : sizes) {
        const std::string name = file(size);
        testing::internal::CaptureStderr();
        const Disk disk = Disk::open(name.c_str(), DiskAccess::kReadWrite).value();
        EXPECT_EQ(disk.size_bytes(), seen);
        EXPECT_EQ(disk.file_bytes(), static_cast<uint64_t>(size));
        EXPECT_EQ(Disk::size_at(name.c_str(), DiskAccess::kReadOnly).value(), seen);
        const std::string log = testing::internal::GetCapturedStderr();
        EXPECT_EQ(log.empty(), warning.empty()) << log;
        EXPECT_NE(log.find(name + warning), warning.empty() ? 0 : std::string::npos) << log;
    }
}

// A guest may write whatever it likes to its disk, and is to start again.
TEST_F(DiskTest, KnowsWhatLooksLikeNoRawDisk) {
    using std::string_view_literals::operator""sv;
    const struct {
        std::string_view magic;
        off_t at;
        const char* words;
    } cases[] = {
        {"QFI\xfb\0\0\0\1"sv, 0, "looks like a qcow image; make a raw one: qemu-img convert"},
        {"QFI\xfb\0\0\0\3"sv, 0, "looks like a qcow image"},
        {"QED\0"sv, 0, "looks like a QED image"},
        {"KDMV"sv, 0, "looks like a VMDK image"},
        {"# Disk DescriptorFile\n"sv, 0, "looks like a VMDK image"},
        {"<<< Oracle VM VirtualBox Disk Image >>>\n"
         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x7f\x10\xda\xbe"sv,
         0, "looks like a VDI image"},
        {"vhdxfile"sv, 0, "looks like a VHDX image"},
        {"conectix"sv, 0, "looks like a VHD image"},
        {"koly"sv, 4096 - 512, "looks like a DMG image"},
        {"\x1f\x8b\x08"sv, 0, "looks gzip-compressed; unpack it first"},
        {"\xfd"
         "7zXZ\0"sv,
         0, "looks xz-compressed"},
        {"\x28\xb5\x2f\xfd"sv, 0, "looks zstd-compressed"},
        {"BZh91AY"sv, 0, "looks bzip2-compressed"},
    };
    for (const auto& c : cases) {
        const std::string name = file(4096);
        const auto write = [&](off_t at) {
            const UniqueFd fd(::open(name.c_str(), O_RDWR | O_CLOEXEC));
            EXPECT_EQ(::pwrite(fd.get(), c.magic.data(), c.magic.size(), at),
                      static_cast<ssize_t>(c.magic.size()));
        };
        write(c.at);
        const UniqueFd fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
        const char* const words = foreign_format(fd.get(), 4096);
        ASSERT_NE(words, nullptr) << c.words;
        EXPECT_TRUE(std::string_view(words).starts_with(c.words)) << words;
    }
    const std::string name = file(4096);
    for (const std::string_view raw : {"\xeb\x63\x90"sv, " QFI\xfb"sv, "KDM"sv}) {
        const UniqueFd fd(::open(name.c_str(), O_RDWR | O_CLOEXEC));
        EXPECT_GT(::pwrite(fd.get(), raw.data(), raw.size(), 0), 0);
        EXPECT_EQ(foreign_format(fd.get(), 4096), nullptr);
    }
}

TEST_F(DiskTest, KnowsAnExt4WhoseJournalIsToBeReplayed) {
    const std::string name = file(4096);
    const UniqueFd fd(::open(name.c_str(), O_RDWR | O_CLOEXEC));
    const auto write = [&](off_t at, std::string_view bytes) {
        EXPECT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), at), std::ssize(bytes));
        return unplayed_journal(fd.get());
    };
    EXPECT_EQ(write(1024 + 0x60, "\x46"), nullptr) << "no ext4";
    EXPECT_NE(write(1024 + 0x38, "\x53\xef"), nullptr);
    EXPECT_EQ(write(1024 + 0x60, "\x42"), nullptr) << "unmounted in order";
    EXPECT_EQ(::ftruncate(fd.get(), 1100), 0);
    EXPECT_EQ(unplayed_journal(fd.get()), nullptr) << "too short for one";
}

TEST_F(DiskTest, RefusesWhatIsNoFile) {
    EXPECT_EQ(complaint(path("nothing")),
              "disk: No such file or directory; create it first, as with truncate -s 1G FILE");
    for (const DiskAccess access : {DiskAccess::kReadWrite, DiskAccess::kReadOnly}) {
        EXPECT_EQ(complaint(folder_, access),
                  "disk: Is a directory; name a file or a block device");
        EXPECT_EQ(complaint("/dev/null", access), "disk: is neither a file nor a block device");
    }
    // A FIFO that nobody writes to must not hold us up.
    ASSERT_EQ(::mkfifo(path("disk").c_str(), 0600), 0);
    for (const DiskAccess access : {DiskAccess::kReadWrite, DiskAccess::kReadOnly})
        EXPECT_EQ(complaint(path("disk"), access), "disk: is neither a file nor a block device");
}

TEST_F(DiskTest, AFileThatMayNotBeWrittenIsGoodToRead) {
    if (::geteuid() == 0) GTEST_SKIP() << "root may write to any file";
    const std::string name = file(4096);
    ASSERT_EQ(::chmod(name.c_str(), 0400), 0);
    EXPECT_EQ(
        complaint(name),
        "disk: Permission denied; cannot be written; let the drive only read (,ro) or make it "
        "writable");
    EXPECT_EQ(complaint(name, DiskAccess::kReadOnly), "none");
}

TEST_F(DiskTest, ADiskHasOneWriterOrManyReaders) {
    constexpr const char* kInUse =
        "disk: is in use by another process; stop that one or use a copy";
    const std::string name = file(4096);
    {
        const Disk writer = Disk::open(name.c_str(), DiskAccess::kReadWrite).value();
        EXPECT_EQ(complaint(name), kInUse);
        EXPECT_EQ(complaint(name, DiskAccess::kReadOnly), kInUse);
    }
    const Disk reader = Disk::open(name.c_str(), DiskAccess::kReadOnly).value();
    EXPECT_EQ(complaint(name, DiskAccess::kReadOnly), "none");
    EXPECT_EQ(complaint(name), kInUse);
}

// Here nobody but the owner can be the one who reads; elsewhere it may be anybody.
TEST_F(DiskTest, WhoMayOnlyReadStopsNoWriter) {
    const std::string name = file(4096);
    ASSERT_EQ(::chmod(name.c_str(), 0644), 0);
    const UniqueFd theirs(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    const auto lock_all_of_it = [&](const char* how) {
        if (how == std::string_view("flock")) return ::flock(theirs.get(), LOCK_EX | LOCK_NB);
        return set_record_lock(theirs.get(), RecordLock::kRead);
    };
    for (const char* how : {"flock", "read lock"}) {
        ASSERT_EQ(lock_all_of_it(how), 0);
        testing::internal::CaptureStderr();
        EXPECT_EQ(complaint(name), "none") << how;
        EXPECT_EQ(complaint(name, DiskAccess::kReadOnly), "none") << how;
        const std::string log = testing::internal::GetCapturedStderr();
        EXPECT_EQ(log.find("another process reads this disk") != std::string::npos,
                  how != std::string_view("flock"))
            << log;
    }
    // Nor can they take a write lock.
    EXPECT_EQ(set_record_lock(theirs.get(), RecordLock::kWrite), -1);
    EXPECT_EQ(errno, EBADF);
}

TEST_F(DiskTest, AWriterBesideReadersIsOneAllTheSame) {
    const std::string name = file(4096);
    ASSERT_EQ(::chmod(name.c_str(), 0644), 0);
    const Disk reader = Disk::open(name.c_str(), DiskAccess::kReadOnly).value();
    testing::internal::CaptureStderr();
    const Disk writer = Disk::open(name.c_str(), DiskAccess::kReadWrite).value();
    EXPECT_NE(testing::internal::GetCapturedStderr().find(name + ": another process reads"),
              std::string::npos);
    for (const DiskAccess access : {DiskAccess::kReadWrite, DiskAccess::kReadOnly})
        EXPECT_EQ(complaint(name, access),
                  "disk: is in use by another process; stop that one or use a copy");
}

// As QEMU takes them: a read lock for each thing that it does (100 and on), and for each that
// others shall not do (200 and on); and then it looks whether others have the opposite.
TEST_F(DiskTest, QemuSeesWhoWritesAndWhoReads) {
    const std::string name = file(4096);
    const UniqueFd qemu(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    const auto finds_a_lock = [&](off_t byte) {
        struct flock record = record_of(RecordLock::kWrite, {byte, 1});
        EXPECT_EQ(::fcntl(qemu.get(), F_OFD_GETLK, &record), 0);
        return record.l_type != F_UNLCK;
    };
    {
        const Disk reader = Disk::open(name.c_str(), DiskAccess::kReadOnly).value();
        EXPECT_FALSE(finds_a_lock(200));  // may be read
        EXPECT_TRUE(finds_a_lock(201));   // may not be written
        for (const off_t done : {100, 101, 102, 103}) EXPECT_FALSE(finds_a_lock(done));
    }
    const Disk writer = Disk::open(name.c_str(), DiskAccess::kReadWrite).value();
    for (const off_t byte : {100, 103, 200, 203})
        EXPECT_EQ(set_record_lock(qemu.get(), RecordLock::kRead, {byte, 1}), -1) << byte;
}

TEST_F(DiskTest, WhatIsUnlockedIsForOthers) {
    const std::string name = file(4096);
    const Disk disk = Disk::open(name.c_str(), DiskAccess::kReadWrite).value();
    disk.unlock();  // and still open
    EXPECT_EQ(complaint(name), "none");
}

TEST_F(DiskTest, LooksForHolesWithoutMakingOne) {
    const std::string name = file(8192);
    const UniqueFd fd(::open(name.c_str(), O_RDWR | O_CLOEXEC));
    const std::array<char, 8192> content{'x'};
    ASSERT_EQ(::pwrite(fd.get(), content.data(), content.size(), 0), 8192);
    struct stat before {};
    ASSERT_EQ(::fstat(fd.get(), &before), 0);
    const bool takes_holes =
        ::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 4096) == 0;
    {
        const Disk disk = Disk::open(name.c_str(), DiskAccess::kReadWrite).value();
        EXPECT_EQ(disk.can_punch_holes(), takes_holes);
    }
    EXPECT_FALSE(Disk::open(name.c_str(), DiskAccess::kReadOnly).value().can_punch_holes());
    struct stat after {};
    ASSERT_EQ(::fstat(fd.get(), &after), 0);
    EXPECT_EQ(after.st_size, before.st_size);
    EXPECT_EQ(after.st_blocks, before.st_blocks);
}

}  // namespace
