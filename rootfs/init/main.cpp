// Process 1 of a guest that runs one program: prepares the system, runs the program, ends the VM
// with its status.
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>

#include "abi/settings.hpp"
#include "rootfs/init/channel.hpp"
#include "rootfs/init/failure.hpp"
#include "rootfs/init/files.hpp"
#include "rootfs/init/machine.hpp"
#include "rootfs/init/network.hpp"
#include "rootfs/init/program.hpp"
#include "rootfs/init/relay.hpp"
#include "rootfs/init/root.hpp"
#include "rootfs/init/settings.hpp"
#include "rootfs/init/surroundings.hpp"

namespace {

constexpr char kDefaultHostname[] = "mayfly";

int nibble(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

// Gives the kernel the host's random bytes, and credits them: nobody has to wait for entropy.
void seed_randomness(const char* hexadecimal) {
    // struct rand_pool_info, with room for its flexible array.
    struct {
        int entropy_count;  // bits
        int buf_size;
        std::array<unsigned char, 64> bytes;
    } pool{};
    size_t size = 0;
    for (; size < pool.bytes.size(); ++size) {
        const int high = nibble(hexadecimal[2 * size]);
        const int low = high < 0 ? -1 : nibble(hexadecimal[2 * size + 1]);
        if (low < 0) break;
        pool.bytes[size] = static_cast<unsigned char>(high << 4 | low);
    }
    pool.entropy_count = static_cast<int>(size * 8);
    pool.buf_size = static_cast<int>(size);
    const int fd = ::open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ::ioctl(fd, RNDADDENTROPY, &pool);
    ::close(fd);
}

// kvm-clock has set the time already; a kernel without it is where it was built, or in 1970.
void set_clock(uint64_t seconds) {
    const auto wanted = static_cast<time_t>(seconds);
    const time_t now = ::time(nullptr);
    constexpr time_t kTolerance = 2;
    if (now >= wanted - kTolerance && now <= wanted + kTolerance) return;
    const timespec time{.tv_sec = wanted, .tv_nsec = 0};
    ::clock_settime(CLOCK_REALTIME, &time);
}

int watch_children() {
    sigset_t children;
    ::sigemptyset(&children);
    ::sigaddset(&children, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &children, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    return ::signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
}

// Without a channel the program has the console, and there is nothing to carry.
int wait_for(pid_t program) {
    for (;;) {
        int status = 0;
        const pid_t pid = ::waitpid(-1, &status, 0);
        if (pid == program)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (pid < 0 && errno != EINTR) fail("lost its program");
    }
}

// Before anything is done for it. A monitor that knows of versions ends the VM itself, when it is
// told ours on the way.
void refuse_another_version(const Settings& wanted) {
    std::array<char, 128> room{};
    const char* const complaint = wanted.version_complaint(room);
    if (complaint == nullptr) return;
    errno = 0;
    fail(complaint);
}

StreamKind stream_kind(const Channel& channel, const Settings& settings) {
    if (!channel.is_open()) return StreamKind::kInherited;
    return settings.has_terminal ? StreamKind::kTerminal : StreamKind::kPipes;
}

int run(Settings& settings) {
    Channel channel;
    channel.open();
    const int child_events = watch_children();
    machine::give_boot_signal();
    const StreamKind kind = stream_kind(channel, settings);
    const Program program = start_program(settings, kind);
    if (kind == StreamKind::kInherited) return wait_for(program.pid);
    static Relay relay(channel, program, child_events);  // too large for a stack
    return relay.run();
}

}  // namespace

int main() {
    if (::getpid() != 1) {
        constexpr char kLine[] = "mayfly: init: is process 1 of a guest, and of no use elsewhere\n";
        const ssize_t written = ::write(STDERR_FILENO, kLine, sizeof kLine - 1);
        return written > 0 ? 1 : 2;
    }
    prepare_initial_root();
    const auto run_file = read_file(guest_abi::kRunFile);
    const auto command_line = read_file("/proc/cmdline");
    Settings settings;
    // Read before there is a root, taken after the image's own.
    Settings wanted;
    wanted.take_run(run_file);
    refuse_another_version(wanted);
    const char* const hostname = wanted.hostname != nullptr ? wanted.hostname : kDefaultHostname;
    ::sethostname(hostname, std::strlen(hostname));
    const auto network = find_network({command_line.data(), command_line.size()});
    const bool has_ipv6 = ::access("/proc/net/if_inet6", F_OK) == 0;
    const BoundFile hosts("/etc/hosts", hosts_file(hostname, network, has_ipv6));
    const BoundFile name("/etc/hostname", std::string(hostname) + "\n");
    std::optional<BoundFile> resolver;
    if (network.has_value() && !network->name_server.empty())
        resolver.emplace("/etc/resolv.conf",
                         "nameserver " + std::string(network->name_server) + "\n");
    mount_root(wanted.root);
    enter_root();
    hosts.bind();
    name.bind();
    if (resolver.has_value()) resolver->bind();
    settings.take_image(read_file(guest_abi::kImageConfig));
    settings.take_run(run_file);
    if (settings.arguments.empty()) {
        errno = 0;
        fail("the image names no command; give one after --");
    }
    write_file("/proc/self/oom_score_adj", "-1000");
    if (settings.seed != nullptr) seed_randomness(settings.seed);
    if (settings.clock_seconds != 0) set_clock(settings.clock_seconds);
    furnish(settings);
    bring_up_network(network);
    const int status = run(settings);
    leave_root(settings.root);
    machine::end(static_cast<uint8_t>(status));
}
