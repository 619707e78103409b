#include "monitor/api/socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/lock_file.hpp"
#include "base/record_lock.hpp"
#include "base/while_busy.hpp"

namespace {

constexpr const char* kSock = "--api-sock";
constexpr const char* kFd = "--api-fd";
// Behind the path while nobody may connect yet.
constexpr char kSuffix[] = "~";
constexpr char kLockSuffix[] = ".lock";

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return address;
}

// sockaddr's way to be many things.
const sockaddr* generic(const sockaddr_un& address) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return reinterpret_cast<const sockaddr*>(&address);
}

UniqueFd make_socket() {
    return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Nothing is at `path`, or a socket that nobody listens at any more.
Result<> expect_free(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return Ok{};
    if (!S_ISSOCK(status.st_mode))
        return Error{kSock, 0, "is there, and is no socket; choose another path"};
    const UniqueFd probe = make_socket();
    const sockaddr_un address = address_of(path);
    if (probe && ::connect(probe.get(), generic(address), sizeof(address)) != 0 &&
        errno == ECONNREFUSED)
        return Ok{};
    return Error{kSock, EADDRINUSE,
                 "another process listens there; stop it or choose another path"};
}

// Of two that start at once the second shall see the first.
Result<UniqueFd> lock_by_file(const std::string& path) {
    auto lock = take_lock_file(AT_FDCWD, path.c_str(), [](int fd) {
        return while_busy([&] { return set_record_lock(fd, RecordLock::kWrite); }, EAGAIN);
    });
    if (lock.ok()) return lock;
    switch (lock.error().code) {
        case EAGAIN:
        case EBUSY:
            return Error{kSock, EAGAIN, "another process starts there"};
        case EPERM:
            return Error{kSock, EPERM, "the file whose name has .lock behind it is not ours"};
        default:
            return Error{kSock, lock.error().code, "its folder has to be there, and be writable"};
    }
}

Result<UniqueFd> listen_unnoticed(const std::string& path) {
    UniqueFd socket = make_socket();
    if (!socket) return Error::from_errno("socket");
    if (!expect_free(path).ok())
        return Error{kSock, EADDRINUSE,
                     "a file is there whose name has a ~ behind it; move it away"};
    ::unlink(path.c_str());  // of one that was killed just here
    const sockaddr_un address = address_of(path);
    if (::bind(socket.get(), generic(address), sizeof(address)) != 0)
        return Error::from_errno(kSock, "its folder has to be there, and be writable");
    if (::listen(socket.get(), SOMAXCONN) != 0) return Error::from_errno("listen");
    return socket;
}

// `hidden`: where it is bound before anybody may connect.
Result<UniqueFd> appear_at(const std::string& path, const std::string& hidden) {
    TRY(expect_free(path));
    UniqueFd socket = TRY(listen_unnoticed(hidden));
    if (::rename(hidden.c_str(), path.c_str()) != 0) return Error::from_errno(kSock);
    return socket;
}

}  // namespace

Result<UniqueFd> listen_at(const char* path) {
    const std::string wanted = path;
    // A path appears when it is bound, and accepts only when it is listened at: so that is done
    // under another name.
    const std::string hidden = wanted + kSuffix;
    if (wanted.empty() || hidden.size() >= sizeof(sockaddr_un::sun_path))
        return Error{kSock, 0, "takes a path of 1 to 106 bytes"}.about(path);
    const std::string lock_path = wanted + kLockSuffix;
    const auto lock = lock_by_file(lock_path);
    if (!lock.ok()) return lock.error().about(path);
    auto socket = appear_at(wanted, hidden);
    ::unlink(lock_path.c_str());  // before it is unlocked: who waits for it sees that it has gone
    if (!socket.ok()) return socket.error().about(path);
    return socket;
}

Result<UniqueFd> adopt_socket(int fd) {
    int type = 0;
    int family = 0;
    socklen_t size = sizeof(type);
    const bool is_stream = ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
                           ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
                           type == SOCK_STREAM && family == AF_UNIX;
    int listens = 0;
    ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    sockaddr_un peer{};
    socklen_t peer_size = sizeof(peer);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as generic()
    const int named = ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size);
    if (!is_stream || (listens == 0 && named != 0))
        return Error{kFd, 0, "is no Unix stream socket that listens or is connected"};
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (listens != 0) {
        const int flags = ::fcntl(fd, F_GETFL);
        if (flags >= 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
    return UniqueFd(fd);
}
