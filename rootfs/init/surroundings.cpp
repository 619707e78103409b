#include "rootfs/init/surroundings.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "rootfs/init/failure.hpp"
#include "rootfs/init/files.hpp"

namespace {

std::string folder_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

// Where the link at `path` leads; empty where it is none.
std::string target_of(const std::string& path) {
    std::array<char, PATH_MAX> target{};
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size() - 1);
    if (length <= 0) return {};
    if (target[0] == '/') return target.data();
    return folder_of(path) + "/" + target.data();
}

// An open file at `path`, which is made where there is none. -1 with errno.
int open_or_make(std::string path) {
    constexpr int kMostLinks = 40;
    for (int links = 0; links < kMostLinks; ++links) {
        if (!make_folders(folder_of(path))) return -1;
        const std::string target = target_of(path);
        if (target.empty()) {
            // Not for reading or writing: it may be anything.
            const int found = ::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
            if (found >= 0 || errno != ENOENT) return found;
            return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        }
        path = target;
    }
    errno = ELOOP;
    return -1;
}

std::string descriptor_path(int fd) {
    return "/proc/self/fd/" + std::to_string(fd);
}

}  // namespace

bool make_folders(const std::string& path) {
    for (size_t end = 1; end != std::string::npos && end < path.size();) {
        end = path.find('/', end + 1);
        const std::string folder = path.substr(0, end);
        if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return false;
    }
    return true;
}

BoundFile::BoundFile(const char* path, const std::string& text) : path_(path) {
    const std::string name = "/" + std::string(path).substr(std::string(path).rfind('/') + 1);
    if (!write_file(name.c_str(), text)) warn("cannot be made", path);
    fd_ = ::open(name.c_str(), O_PATH | O_CLOEXEC);
}

void BoundFile::bind() const {
    const int target = open_or_make(path_);
    if (target < 0 || ::mount(descriptor_path(fd_).c_str(), descriptor_path(target).c_str(),
                              nullptr, MS_BIND, nullptr) != 0)
        warn("cannot be given to the program", path_);
    if (target >= 0) ::close(target);
    ::close(fd_);
}

std::string hosts_file(const char* hostname, const std::optional<NetworkSettings>& network,
                       bool has_ipv6) {
    std::string text = "127.0.0.1\tlocalhost\n";
    if (has_ipv6) text += "::1\tlocalhost ip6-localhost ip6-loopback\n";
    std::array<char, INET_ADDRSTRLEN> address{"127.0.1.1"};
    if (network.has_value())
        ::inet_ntop(AF_INET, &network->address, address.data(), address.size());
    text.append(address.data()).append("\t").append(hostname);
    const std::string name(hostname);
    if (const size_t dot = name.find('.'); dot != std::string::npos && dot > 0)
        text.append(" ").append(name.substr(0, dot));
    return text + "\n";
}

void furnish(const Settings& settings) {
    // Kernels without a network, or older ones, lack them.
    write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    const char* const folder = settings.working_directory;
    if (folder != nullptr && *folder == '/' && !make_folders(folder))
        warn("cannot be made", folder);
    for (size_t i = 0; i < settings.volumes.size(); ++i)
        if (!make_folders(settings.volumes[i])) warn("cannot be made", settings.volumes[i]);
}

void set_limits() {
    constexpr rlimit kFiles{.rlim_cur = 1024, .rlim_max = 1 << 20};
    constexpr rlimit kCore{.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
    ::setrlimit(RLIMIT_NOFILE, &kFiles);
    ::setrlimit(RLIMIT_CORE, &kCore);
}
