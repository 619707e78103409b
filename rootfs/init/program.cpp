#include "rootfs/init/program.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pty.h>

#include "rootfs/init/accounts.hpp"
#include "rootfs/init/failure.hpp"
#include "rootfs/init/files.hpp"
#include "rootfs/init/machine.hpp"
#include "rootfs/init/surroundings.hpp"

namespace {

// The program's ends of its streams.
struct Ends {
    int input = STDIN_FILENO;
    int output = STDOUT_FILENO;
    int errors = STDERR_FILENO;
};

void make_pipe(int& reader, int& writer) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("cannot make a pipe");
    reader = ends[0];
    writer = ends[1];
}

void set_nonblocking(int fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

Streams make_streams(StreamKind kind, const Settings& settings, Ends& ends) {
    Streams streams;
    if (kind == StreamKind::kInherited) return streams;
    if (kind == StreamKind::kTerminal) {
        winsize size{.ws_row = settings.window.rows, .ws_col = settings.window.columns};
        int program = -1;
        if (::openpty(&streams.output, &program, nullptr, nullptr, &size) != 0)
            fail("cannot make a terminal");
        ::fcntl(streams.output, F_SETFD, FD_CLOEXEC);
        ::fcntl(program, F_SETFD, FD_CLOEXEC);
        streams.input = streams.output;
        ends = {program, program, program};
    } else {
        make_pipe(ends.input, streams.input);
        make_pipe(streams.output, ends.output);
        make_pipe(streams.errors, ends.errors);
        set_nonblocking(streams.errors);
        set_nonblocking(streams.input);
    }
    set_nonblocking(streams.output);
    return streams;
}

// --- In the child, between fork and exec --------------------------------------------------------

[[noreturn]] void give_up(int status, const char* subject, const char* what) {
    std::array<char, 512> line{};
    const int size = std::snprintf(line.data(), line.size(), "mayfly: %s: %s\n", subject, what);
    const ssize_t written =
        ::write(STDERR_FILENO, line.data(), std::min(static_cast<size_t>(size), line.size() - 1));
    static_cast<void>(written);  // nobody is left to be told
    ::_exit(status);
}

[[noreturn]] void give_up(int status, const char* subject) {
    give_up(status, subject, std::strerror(errno));
}

void become_user(const Settings& settings, StringList& environment) {
    Account account;
    const auto passwd = read_file("/etc/passwd");
    const auto group = read_file("/etc/group");
    const char* const wanted =
        settings.user == nullptr || *settings.user == '\0' ? "0:0" : settings.user;
    switch (find_account(wanted, {passwd.data(), passwd.size()}, {group.data(), group.size()},
                         account)) {
        case AccountError::kNone:
            break;
        case AccountError::kNoSuchUser:
            give_up(kStatusNotExecutable, wanted, "the image's /etc/passwd has no such user");
        case AccountError::kNoSuchGroup:
            give_up(kStatusNotExecutable, wanted, "the image's /etc/group has no such group");
    }
    // /dev/stdout and its like can be opened by who the program runs as.
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        ::fchown(fd, account.uid, static_cast<gid_t>(-1));
    if (::setgroups(account.group_count, account.groups.data()) != 0 ||
        ::setgid(account.gid) != 0 || ::setuid(account.uid) != 0)
        give_up(kStatusNotExecutable, wanted);
    if (environment.variable("HOME") != nullptr) return;
    static std::array<char, PATH_MAX> home;  // until exec copies it
    std::snprintf(home.data(), home.size(), "HOME=%.*s", static_cast<int>(account.home.size()),
                  account.home.data());
    environment.add(home.data());
}

void take_streams(const Ends& ends, StreamKind kind) {
    ::setsid();
    if (kind == StreamKind::kTerminal) ::ioctl(ends.input, TIOCSCTTY, 0);
    if (::dup2(ends.input, STDIN_FILENO) < 0 || ::dup2(ends.output, STDOUT_FILENO) < 0 ||
        ::dup2(ends.errors, STDERR_FILENO) < 0)
        ::_exit(kStatusNotExecutable);
}

// As init found it: signals, ports, and a chance to be killed when memory runs out.
void return_to_normal() {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    machine::give_up_ports();
    write_file("/proc/self/oom_score_adj", "0");
    set_limits();
}

bool is_executable(const char* path) {
    struct stat status {};
    return ::stat(path, &status) == 0 && S_ISREG(status.st_mode) && ::access(path, X_OK) == 0;
}

// Looks for a name without a slash in PATH; a file that is there but not to be executed decides the
// status.
[[noreturn]] void search_and_execute(const char* name, const char* path, char* const* arguments,
                                     char* const* environment) {
    bool is_there = false;
    std::array<char, PATH_MAX> candidate{};
    while (*path != '\0') {
        const size_t size = std::strcspn(path, ":");
        std::snprintf(candidate.data(), candidate.size(), "%.*s/%s", static_cast<int>(size), path,
                      name);
        if (is_executable(candidate.data())) {
            ::execve(candidate.data(), arguments, environment);
            give_up(kStatusNotExecutable, candidate.data());
        }
        is_there = is_there || ::access(candidate.data(), F_OK) == 0;
        path += size;
        if (*path == ':') ++path;
    }
    if (is_there) give_up(kStatusNotExecutable, name, "is not executable");
    give_up(kStatusNotFound, name, "no such program in the PATH of the image");
}

[[noreturn]] void become_program(Settings& settings, StreamKind kind, const Ends& ends) {
    take_streams(ends, kind);
    return_to_normal();
    StringList& environment = settings.environment;
    static char path_variable[] =
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    if (environment.variable("PATH") == nullptr) environment.add(path_variable);
    static char terminal_variable[] = "TERM=xterm";
    if (kind == StreamKind::kTerminal && environment.variable("TERM") == nullptr)
        environment.add(terminal_variable);
    become_user(settings, environment);
    const char* const folder = settings.working_directory;
    if (folder != nullptr && *folder != '\0' && ::chdir(folder) != 0)
        give_up(kStatusNotExecutable, folder);
    char* const* const arguments = settings.arguments.data();
    if (std::strchr(arguments[0], '/') == nullptr)
        search_and_execute(arguments[0], environment.variable("PATH"), arguments,
                           environment.data());
    ::execve(arguments[0], arguments, environment.data());
    give_up(errno == ENOENT || errno == ENOTDIR ? kStatusNotFound : kStatusNotExecutable,
            arguments[0]);
}

}  // namespace

Program start_program(Settings& settings, StreamKind kind) {
    Ends ends;
    Program program{.streams = make_streams(kind, settings, ends)};
    program.pid = ::fork();
    if (program.pid < 0) fail("cannot start a process");
    if (program.pid == 0) become_program(settings, kind, ends);
    if (kind == StreamKind::kInherited) return program;
    ::close(ends.input);
    if (kind == StreamKind::kTerminal) return program;
    ::close(ends.output);
    ::close(ends.errors);
    return program;
}
