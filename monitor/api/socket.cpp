#include "monitor/api/socket.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/while_busy.hpp"

namespace {

constexpr const char* kSock = "--api-sock";
constexpr const char* kFd = "--api-fd";
// Behind the path while nobody may connect yet.
constexpr char kSuffix[] = "~";

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

// Held from the look at the path to its appearance: of two that start at once the second shall see
// the first.
Result<UniqueFd> lock_folder(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    UniqueFd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock) return Error::from_errno(kSock, "its folder has to be there, and be readable");
    const int locked =
        while_busy([&] { return ::flock(lock.get(), LOCK_EX | LOCK_NB); }, EWOULDBLOCK);
    if (locked != 0) return Error{kSock, locked, "its folder is locked by another process"};
    return lock;
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

}  // namespace

Result<UniqueFd> listen_at(const char* path) {
    const std::string wanted = path;
    // A path appears when it is bound, and accepts only when it is listened at: so that is done
    // under another name.
    const std::string hidden = wanted + kSuffix;
    if (wanted.empty() || hidden.size() >= sizeof(sockaddr_un::sun_path))
        return Error{kSock, 0, "takes a path of 1 to 106 bytes"}.about(path);
    const auto lock = lock_folder(wanted);
    if (!lock.ok()) return lock.error().about(path);
    const Result<> free = expect_free(wanted);
    if (!free.ok()) return free.error().about(path);
    auto socket = listen_unnoticed(hidden);
    if (!socket.ok()) return socket.error().about(path);
    if (::rename(hidden.c_str(), path) != 0) return Error::from_errno(kSock).about(path);
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
