#include "monitor/api/socket.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

namespace {

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return address;
}

const sockaddr* generic(const sockaddr_un& address) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return reinterpret_cast<const sockaddr*>(&address);
}

UniqueFd make_socket(int type = SOCK_STREAM, int family = AF_UNIX) {
    return UniqueFd(::socket(family, type | SOCK_CLOEXEC, 0));
}

// 0, or connect's errno.
int connects(const std::string& path) {
    const UniqueFd client = make_socket();
    const sockaddr_un address = address_of(path);
    return ::connect(client.get(), generic(address), sizeof(address)) == 0 ? 0 : errno;
}

bool exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

bool is_nonblocking(int fd) {
    return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

// A folder of the test's own, whose name is short.
class ListenAtTest : public testing::Test {
protected:
    ListenAtTest() {
        EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
        path_ = folder_ + "/api";
    }
    ~ListenAtTest() override {
        for (const std::string& name : {path_, path_ + "~", path_ + ".lock"})
            ::unlink(name.c_str());
        ::rmdir(folder_.c_str());
    }

    std::string complaint(const std::string& path) const {
        const auto socket = listen_at(path.c_str());
        if (socket.ok()) return "none";
        std::array<char, 512> line{};
        format_error(socket.error(), line);
        return line.data();
    }
    std::string complaint() const { return complaint(path_); }

    void put_file(const std::string& path) const {
        const UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        ASSERT_EQ(::write(file.get(), "data", 4), 4);
    }

    std::string folder_ = testing::TempDir() + "api.XXXXXX";
    std::string path_;
};

TEST_F(ListenAtTest, AcceptsClients) {
    const auto socket = listen_at(path_.c_str());
    ASSERT_TRUE(socket.ok());
    EXPECT_EQ(connects(path_), 0);
    EXPECT_TRUE(UniqueFd(::accept4(socket.value().get(), nullptr, nullptr, SOCK_CLOEXEC)));
    EXPECT_EQ(::accept4(socket.value().get(), nullptr, nullptr, SOCK_CLOEXEC), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_NE(::fcntl(socket.value().get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_FALSE(exists(path_ + "~"));
}

// Whoever waits for the path to appear may connect at once.
TEST_F(ListenAtTest, ThePathAppearsWhenItAccepts) {
    for (int round = 0; round < 50; ++round) {
        std::atomic<int> result = -1;
        std::thread client([&] {
            while (!exists(path_)) std::this_thread::yield();
            result = connects(path_);
        });
        const auto socket = listen_at(path_.c_str());
        client.join();
        ASSERT_EQ(result, 0) << round;
        ::unlink(path_.c_str());
    }
}

TEST_F(ListenAtTest, ReplacesWhatNobodyListensAtAnyMore) {
    { const auto gone = listen_at(path_.c_str()); }
    EXPECT_EQ(connects(path_), ECONNREFUSED);
    const auto socket = listen_at(path_.c_str());
    ASSERT_TRUE(socket.ok());
    EXPECT_EQ(connects(path_), 0);
}

TEST_F(ListenAtTest, ReplacesWhatWasLeftHalfWay) {
    const UniqueFd half = make_socket();
    const sockaddr_un address = address_of(path_ + "~");
    ASSERT_EQ(::bind(half.get(), generic(address), sizeof(address)), 0);
    EXPECT_EQ(complaint(), "none");
    EXPECT_FALSE(exists(path_ + "~"));
}

TEST_F(ListenAtTest, LeavesAloneWhoeverListensThere) {
    const auto first = listen_at(path_.c_str());
    EXPECT_EQ(complaint(), path_ +
                               ": --api-sock: Address already in use; another process listens "
                               "there; stop it or choose another path");
    EXPECT_EQ(connects(path_), 0);
    EXPECT_TRUE(UniqueFd(::accept4(first.value().get(), nullptr, nullptr, SOCK_CLOEXEC)));
    EXPECT_FALSE(exists(path_ + "~"));
}

TEST_F(ListenAtTest, LeavesAloneWhatIsNoSocket) {
    put_file(path_);
    EXPECT_EQ(complaint(), path_ + ": --api-sock: is there, and is no socket; choose another path");
    EXPECT_TRUE(exists(path_));
    ::unlink(path_.c_str());
    ASSERT_EQ(::symlink("/nowhere", path_.c_str()), 0);
    EXPECT_NE(complaint(), "none");
    EXPECT_TRUE(exists(path_));
    EXPECT_NE(complaint(folder_), "none");
}

// Such names are editors' copies.
TEST_F(ListenAtTest, LeavesAloneAFileWithTheNameThatItUsesMeanwhile) {
    put_file(path_ + "~");
    EXPECT_NE(complaint(), "none");
    EXPECT_TRUE(exists(path_ + "~"));
    EXPECT_FALSE(exists(path_));
}

TEST_F(ListenAtTest, SaysWhenThePathIsTooLongOrEmpty) {
    const size_t room = 106 - folder_.size() - 1;
    const std::string longest = folder_ + "/" + std::string(room, 'x');
    EXPECT_EQ(complaint(longest), "none");
    EXPECT_EQ(connects(longest), ECONNREFUSED);
    ::unlink(longest.c_str());
    EXPECT_EQ(complaint(longest + "x"), longest + "x: --api-sock: takes a path of 1 to 106 bytes");
    EXPECT_EQ(complaint("").substr(0, 2), ": ");
}

TEST_F(ListenAtTest, SaysWhenThereIsNoFolder) {
    EXPECT_EQ(complaint(folder_ + "/no/api"),
              folder_ +
                  "/no/api: --api-sock: No such file or directory; its folder has to be "
                  "there, and be writable");
}

// Anybody may lock a folder that they may read, and a file too.
TEST_F(ListenAtTest, WhoMayOnlyReadTheFolderStopsNobody) {
    const UniqueFd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_EQ(::flock(folder.get(), LOCK_EX | LOCK_NB), 0);
    EXPECT_EQ(complaint(), "none");
    EXPECT_FALSE(exists(path_ + ".lock"));
}

TEST_F(ListenAtTest, WhatOthersCouldLockIsNoLock) {
    put_file(path_ + ".lock");  // as a start that was killed leaves it
    EXPECT_EQ(complaint(), "none");
    EXPECT_FALSE(exists(path_ + ".lock"));
    put_file(path_ + ".lock");
    ASSERT_EQ(::chmod((path_ + ".lock").c_str(), 0644), 0);
    EXPECT_NE(complaint().find("is not ours"), std::string::npos);
    ::unlink((path_ + ".lock").c_str());
    ASSERT_EQ(::symlink("/dev/null", (path_ + ".lock").c_str()), 0);
    EXPECT_NE(complaint(), "none");
    EXPECT_TRUE(exists(path_ + ".lock"));
}

TEST_F(ListenAtTest, OfManyAtOnceOneListens) {
    for (int round = 0; round < 20; ++round) {
        std::atomic<int> listening = 0;
        std::array<Result<UniqueFd>, 8> sockets{Error{}, Error{}, Error{}, Error{},
                                                Error{}, Error{}, Error{}, Error{}};
        std::vector<std::thread> starts;
        for (auto& socket : sockets)
            starts.emplace_back([&] {
                socket = listen_at(path_.c_str());
                if (socket.ok()) ++listening;
            });
        for (std::thread& start : starts) start.join();
        ASSERT_EQ(listening, 1) << round;
        EXPECT_EQ(connects(path_), 0);
        EXPECT_FALSE(exists(path_ + ".lock"));
        ::unlink(path_.c_str());
    }
}

// --- Adopted sockets ----------------------------------------------------------------------------

bool is_adopted(int fd) {
    auto socket = adopt_socket(fd);
    if (!socket.ok()) return false;
    const int same = socket.value().release();
    EXPECT_EQ(same, fd);
    return true;
}

TEST(AdoptSocket, TakesOneThatListens) {
    const UniqueFd socket = make_socket();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;  // a name that the kernel chooses
    ASSERT_EQ(::bind(socket.get(), generic(address), sizeof(sa_family_t)), 0);
    ASSERT_EQ(::listen(socket.get(), 1), 0);
    ::fcntl(socket.get(), F_SETFD, 0);
    EXPECT_TRUE(is_adopted(socket.get()));
    EXPECT_TRUE(is_nonblocking(socket.get()));
    EXPECT_NE(::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(AdoptSocket, TakesOneThatIsConnected) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const UniqueFd one(ends[0]);
    const UniqueFd other(ends[1]);
    EXPECT_TRUE(is_adopted(one.get()));
    // The other end's process would see it too.
    EXPECT_FALSE(is_nonblocking(one.get()));
    EXPECT_NE(::fcntl(one.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(AdoptSocket, RefusesWhatIsNeither) {
    EXPECT_FALSE(is_adopted(-1));
    EXPECT_FALSE(is_adopted(1'000'000));
    EXPECT_FALSE(is_adopted(make_socket().get()));
    EXPECT_FALSE(is_adopted(make_socket(SOCK_DGRAM).get()));
    EXPECT_FALSE(is_adopted(make_socket(SOCK_SEQPACKET).get()));
    const UniqueFd internet = make_socket(SOCK_STREAM, AF_INET);
    if (internet) {
        EXPECT_FALSE(is_adopted(internet.get()));
    }
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    const UniqueFd one(ends[0]);
    const UniqueFd other(ends[1]);
    EXPECT_FALSE(is_adopted(one.get()));
    const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_FALSE(is_adopted(file.get()));
    EXPECT_NE(::fcntl(file.get(), F_GETFD), -1);  // what is refused stays its owner's
}

}  // namespace
