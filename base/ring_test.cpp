// What the kernel itself must refuse, whatever the process asks for: the restrictions of the ring.
#include "base/ring.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <utility>

#include "base/event_fd.hpp"
#include "base/io_engine_fixture.hpp"
#include "base/unique_fd.hpp"

namespace {

class RestrictedUringTest : public testing::Test {
protected:
    void SetUp() override {
        auto uring = RestrictedUring::create(8, RingFiles::kFixed);
        if (!uring.ok()) {
            std::array<char, 256> why{};
            format_error(uring.error(), why);
            GTEST_SKIP() << "io_uring is not available here: " << why.data();
        }
        uring_ = std::move(uring).value();
        file_ = UniqueFd(::memfd_create("disk", MFD_CLOEXEC));
        ASSERT_EQ(::pwrite(file_.get(), "content", 7, 0), 7);
        const int fd = file_.get();
        ASSERT_TRUE(uring_->enable({&fd, 1}).ok());
    }

    // Puts one request through the ring. `flags`: IOSQE_*.
    template <typename Prepare>
    int32_t result_of(uint8_t flags, Prepare prepare) {
        io_uring_sqe* const entry = io_uring_get_sqe(uring_->get());
        prepare(entry);
        entry->flags |= flags;
        EXPECT_EQ(io_uring_submit_and_wait(uring_->get(), 1), 1);
        io_uring_cqe* completion = nullptr;
        EXPECT_EQ(io_uring_peek_cqe(uring_->get(), &completion), 0);
        if (completion == nullptr) return INT32_MIN;
        const int32_t result = completion->res;
        io_uring_cqe_seen(uring_->get(), completion);
        return result;
    }

    int32_t read_from(int file, uint8_t flags) {
        buffer_ = {};
        const iovec vector{buffer_.data(), buffer_.size()};
        return result_of(
            flags, [&](io_uring_sqe* entry) { io_uring_prep_readv(entry, file, &vector, 1, 0); });
    }

    std::unique_ptr<RestrictedUring> uring_;
    UniqueFd file_;
    std::array<char, 64> buffer_{};
};

TEST_F(RestrictedUringTest, ReadsItsFile) {
    EXPECT_EQ(read_from(0, IOSQE_FIXED_FILE), 7);
    EXPECT_EQ(std::string(buffer_.data()), "content");
}

TEST_F(RestrictedUringTest, RefusesDescriptorsThatAreNotItsFiles) {
    // Both came with Linux 5.19: this mode, and cancellations that take IOSQE_FIXED_FILE.
    io_uring plain{};
    if (io_uring_queue_init(1, &plain, IORING_SETUP_COOP_TASKRUN) < 0)
        GTEST_SKIP() << "needs Linux 5.19";
    io_uring_queue_exit(&plain);
    EXPECT_TRUE(uring_->requires_fixed_file());
    EXPECT_EQ(read_from(file_.get(), 0), -EACCES);
    EXPECT_EQ(buffer_[0], 0);
    EXPECT_EQ(read_from(1, IOSQE_FIXED_FILE), -EBADF);
    EXPECT_EQ(read_from(-1, IOSQE_FIXED_FILE), -EBADF);
}

TEST_F(RestrictedUringTest, RefusesEveryOperationThatDevicesDoNotUse) {
    const std::string path = "/etc/passwd";
    EXPECT_EQ(result_of(IOSQE_FIXED_FILE, [](io_uring_sqe* entry) { io_uring_prep_nop(entry); }),
              -EACCES);
    EXPECT_EQ(result_of(0,
                        [&](io_uring_sqe* entry) {
                            io_uring_prep_openat(entry, AT_FDCWD, path.c_str(), O_RDONLY, 0);
                        }),
              -EACCES);
    EXPECT_EQ(result_of(IOSQE_FIXED_FILE,
                        [](io_uring_sqe* entry) { io_uring_prep_close_direct(entry, 0); }),
              -EACCES);
    EXPECT_EQ(result_of(0,
                        [](io_uring_sqe* entry) {
                            io_uring_prep_socket(entry, AF_INET, SOCK_STREAM, 0, 0);
                        }),
              -EACCES);
    std::array<int, 1> files{file_.get()};
    EXPECT_EQ(result_of(IOSQE_FIXED_FILE,
                        [&](io_uring_sqe* entry) {
                            io_uring_prep_files_update(entry, files.data(), 1, 0);
                        }),
              -EACCES);
    // The range of opcodes between and beyond the allowed ones.
    for (int opcode = 0; opcode < 256; ++opcode) {
        switch (opcode) {
            case IORING_OP_READ:
            case IORING_OP_WRITE:
            case IORING_OP_READV:
            case IORING_OP_WRITEV:
            case IORING_OP_FSYNC:
            case IORING_OP_FALLOCATE:
            case IORING_OP_POLL_ADD:
            case IORING_OP_ASYNC_CANCEL:
                continue;
            default:
                break;
        }
        const int32_t result = result_of(IOSQE_FIXED_FILE, [&](io_uring_sqe* entry) {
            io_uring_prep_rw(opcode, entry, 0, nullptr, 0, 0);
        });
        // EINVAL: an opcode this kernel does not have.
        EXPECT_TRUE(result == -EACCES || result == -EINVAL) << opcode << ": " << result;
    }
    EXPECT_EQ(read_from(0, IOSQE_FIXED_FILE), 7);
}

TEST_F(RestrictedUringTest, RefusesFlagsThatDevicesDoNotUse) {
    EXPECT_EQ(read_from(0, IOSQE_FIXED_FILE | IOSQE_ASYNC), -EACCES);
    EXPECT_EQ(read_from(0, IOSQE_FIXED_FILE | IOSQE_IO_DRAIN), -EACCES);
}

TEST_F(RestrictedUringTest, RefusesEveryRegistrationAfterTheStart) {
    const int fd = file_.get();
    EXPECT_EQ(io_uring_register_files_update(uring_->get(), 0, &fd, 1), -EACCES);
    EXPECT_EQ(io_uring_unregister_files(uring_->get()), -EACCES);
    const iovec vector{buffer_.data(), buffer_.size()};
    EXPECT_EQ(io_uring_register_buffers(uring_->get(), &vector, 1), -EACCES);
    EXPECT_EQ(io_uring_register_personality(uring_->get()), -EACCES);
    EXPECT_FALSE(uring_->enable({}).ok());
}

// --- Files that become others -------------------------------------------------------------------

class RingFilesTest : public testing::Test {
protected:
    // A ring with one file.
    void create(RingFiles files, int fd) {
        auto ring = Ring::create(8, files);
        if (!ring.ok()) GTEST_SKIP() << "io_uring is not available here";
        ring_ = std::move(ring).value();
        target_ = ring_->add_target(recorder_).value();
        file_ = ring_->add_file(fd).value();
        ASSERT_TRUE(ring_->start().ok());
    }

    static UniqueFd file_with(const char* text) {
        UniqueFd file(::memfd_create("disk", MFD_CLOEXEC));
        const auto size = static_cast<ssize_t>(std::string_view(text).size());
        EXPECT_EQ(::write(file.get(), text, std::string_view(text).size()), size);
        return file;
    }

    void begin_read(uint64_t offset, uint16_t slot = 0) {
        buffer_ = {};
        vector_ = {buffer_.data(), buffer_.size() - 1};
        ring_->readv(file_, {&vector_, 1}, offset, {target_, slot, 0});
        ASSERT_TRUE(ring_->submit().ok());
    }
    std::string end_read(uint16_t slot = 0) {
        EXPECT_EQ(ring_->wait(kTooLong).value(), 1U);
        EXPECT_GE(recorder_.result(slot), 0);
        return buffer_.data();
    }
    std::string read() {
        begin_read(0);
        return end_read();
    }

    Recorder recorder_;
    std::unique_ptr<Ring> ring_;
    uint16_t target_ = 0;
    IoFile file_{};
    std::array<char, 64> buffer_{};
    iovec vector_{};
};

TEST_F(RingFilesTest, BecomeOthersWhereTheRingWasMadeForIt) {
    UniqueFd first = file_with("first");
    create(RingFiles::kReplaceable, first.get());
    if (IsSkipped()) return;
    EXPECT_EQ(read(), "first");
    const UniqueFd second = file_with("second");
    ASSERT_TRUE(ring_->replace_file(file_, second.get()).ok());
    first = UniqueFd();
    EXPECT_EQ(read(), "second");
    EXPECT_EQ(ring_->replace_file(static_cast<IoFile>(1), second.get()).error().code, EBADF);
    EXPECT_EQ(ring_->replace_file(file_, 1'000'000).error().code, EBADF);
}

TEST_F(RingFilesTest, StayWhatTheyAreElsewhere) {
    const UniqueFd first = file_with("first");
    const UniqueFd second = file_with("second");
    create(RingFiles::kFixed, first.get());
    if (IsSkipped()) return;
    EXPECT_EQ(ring_->replace_file(file_, second.get()).error().code, EACCES);
    EXPECT_EQ(read(), "first");
}

TEST_F(RingFilesTest, ARequestInFlightGoesOnWithTheOldOne) {
    const auto make_pipe = [] {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
    };
    auto [old_reader, old_writer] = make_pipe();
    const auto [reader, writer] = make_pipe();
    create(RingFiles::kReplaceable, old_reader.get());
    if (IsSkipped()) return;
    begin_read(IoEngine::kStream);
    ASSERT_EQ(ring_->wait(0).value(), 0U);
    ASSERT_TRUE(ring_->replace_file(file_, reader.get()).ok());
    old_reader = UniqueFd();
    ASSERT_EQ(::write(writer.get(), "new", 3), 3);
    ASSERT_EQ(::write(old_writer.get(), "old", 3), 3);
    EXPECT_EQ(end_read(), "old");
    begin_read(IoEngine::kStream, 1);
    EXPECT_EQ(end_read(1), "new");
}

TEST_F(RestrictedUringTest, WithReplaceableFilesRefusesEveryOtherRegistration) {
    auto uring = RestrictedUring::create(8, RingFiles::kReplaceable);
    ASSERT_TRUE(uring.ok());
    uring_ = std::move(uring).value();
    int fd = file_.get();
    ASSERT_TRUE(uring_->enable({&fd, 1}).ok());
    EXPECT_TRUE(uring_->replace_file(0, fd).ok());
    EXPECT_EQ(uring_->replace_file(1, fd).error().code, EINVAL);
    EXPECT_EQ(io_uring_unregister_files(uring_->get()), -EACCES);
    const iovec vector{buffer_.data(), buffer_.size()};
    EXPECT_EQ(io_uring_register_buffers(uring_->get(), &vector, 1), -EACCES);
    EXPECT_EQ(io_uring_register_personality(uring_->get()), -EACCES);
    EXPECT_FALSE(uring_->enable({}).ok());
    EXPECT_EQ(result_of(IOSQE_FIXED_FILE, [](io_uring_sqe* entry) { io_uring_prep_nop(entry); }),
              -EACCES);
    EXPECT_EQ(read_from(0, IOSQE_FIXED_FILE), 7);
}

TEST(Ring, NothingHappensBeforeTheStart) {
    const auto ring = Ring::create(8);
    if (!ring.ok()) GTEST_SKIP() << "io_uring is not available here";
    const UniqueFd fd(::memfd_create("disk", MFD_CLOEXEC));
    const IoFile file = ring.value()->add_file(fd.get()).value();
    ring.value()->fsync(file, {});
    EXPECT_EQ(ring.value()->submit().error().code, EBADFD);
    ASSERT_TRUE(ring.value()->start().ok());
    EXPECT_EQ(ring.value()->wait(IoEngine::kForever).value(), 1U);
}

TEST(Ring, RefusesWhatIsNotAFile) {
    const auto ring = Ring::create(8);
    if (!ring.ok()) GTEST_SKIP() << "io_uring is not available here";
    EXPECT_EQ(ring.value()->add_file(-1).error().code, EBADF);
}

TEST(Ring, SaysWhyThereIsNone) {
    if (!Ring::create(8).ok()) GTEST_SKIP() << "io_uring is not available here";
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const UniqueFd next(::dup(0));
    const rlimit none_left{static_cast<rlim_t>(next.get()), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
    const auto ring = Ring::create(8);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(ring.ok());
    EXPECT_EQ(ring.error().code, EMFILE);
    EXPECT_NE(std::string(ring.error().hint).find("RLIMIT_NOFILE"), std::string::npos);
    EXPECT_EQ(Ring::create(0).error().code, EINVAL);
}

// Counts what it is told, and asks for nothing again.
class PollCounter final : public IoTarget {
public:
    void complete(const IoCompletion& completion) override {
        (completion.result > 0 ? events : ends).at(completion.tag.slot) += 1;
    }

    std::array<int, 2> events{};
    std::array<int, 2> ends{};
};

TEST(Ring, PollsOutliveTheReplacementOfAFile) {
    const auto created = Ring::create(8, RingFiles::kReplaceable);
    if (!created.ok()) GTEST_SKIP() << "io_uring is not available here";
    Ring& ring = *created.value();
    const EventFd once = EventFd::create().value();
    const EventFd often = EventFd::create().value();
    const UniqueFd disk(::memfd_create("disk", MFD_CLOEXEC));
    const UniqueFd other(::memfd_create("other", MFD_CLOEXEC));
    const IoFile once_file = ring.add_file(once.fd()).value();
    const IoFile often_file = ring.add_file(often.fd()).value();
    const IoFile disk_file = ring.add_file(disk.get()).value();
    PollCounter counter;
    const uint16_t target = ring.add_target(counter).value();
    ASSERT_TRUE(ring.start().ok());
    ring.poll(once_file, POLLIN, {.target = target, .slot = 0});
    ring.poll_multishot(often_file, POLLIN, {.target = target, .slot = 1});
    const auto settle = [&ring] {
        for (int round = 0; round < 3; ++round) EXPECT_TRUE(ring.wait(1'000'000).ok());
    };
    settle();
    for (const int fd : {other.get(), disk.get()}) {
        EXPECT_TRUE(ring.replace_file(disk_file, fd).ok());
        often.signal();
        settle();
        EXPECT_TRUE(often.drain());
    }
    once.signal();
    settle();
    EXPECT_EQ(counter.events, (std::array{1, 2}));
    EXPECT_EQ(counter.ends, (std::array{0, 0}));
    // What its target wants to end does, in the middle of a replacement too.
    EXPECT_TRUE(ring.replace_file(disk_file, other.get()).ok());
    ring.cancel({.target = target, .slot = 1});
    settle();
    EXPECT_EQ(counter.ends, (std::array{0, 1}));
    EXPECT_EQ(ring.in_flight(), 0U);
}

}  // namespace
