#include "bench/spawn.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace {

struct Launch {
    const Program& program;
    char* const* arguments = nullptr;
    char* const* environment = nullptr;
    int output = -1;
    pid_t parent = -1;
    int error = 0;  // what kept the program from being executed
};

// A descriptor that is there already still has to lose its close-on-exec flag.
bool put_at(int fd, int number) {
    return fd == number ? ::fcntl(fd, F_SETFD, 0) == 0 : ::dup2(fd, number) >= 0;
}

bool open_at(const char* path, int flags, int number) {
    const int fd = ::open(path, flags | O_CLOEXEC);
    return fd >= 0 && put_at(fd, number);
}

bool set_descriptors(const Launch& launch) {
    const Program& program = launch.program;
    if (!put_at(launch.output, STDOUT_FILENO)) return false;
    if (!open_at("/dev/null", O_RDONLY, STDIN_FILENO)) return false;
    if (program.error_fd >= 0 && !put_at(program.error_fd, STDERR_FILENO)) return false;
    if (program.errors == ErrorOutput::kDropped && !open_at("/dev/null", O_WRONLY, STDERR_FILENO))
        return false;
    return program.given_fd < 0 || put_at(program.given_fd, Program::kGivenFd);
}

// The child, in our memory and on a stack of its own. No handler of ours may run in it: all signals
// are blocked until those that have one are back to what they do by default.
int run_child(void* argument) {
    Launch& launch = *static_cast<Launch*>(argument);
    sigset_t none;
    ::sigemptyset(&none);
    const bool is_ready = ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::setpgid(0, 0) == 0 &&
                          set_descriptors(launch) &&
                          ::pthread_sigmask(SIG_SETMASK, &none, nullptr) == 0;
    // A parent that ended before the first call would send nothing.
    if (is_ready && ::getppid() == launch.parent)
        ::execve(launch.arguments[0], launch.arguments, launch.environment);
    launch.error = errno;
    ::_exit(127);
}

bool is_replaced(const char* variable, std::span<const std::string> by) {
    const std::string_view text(variable);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    return std::any_of(by.begin(), by.end(),
                       [&](const std::string& one) { return one.starts_with(name); });
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
    return pointers;
}

std::vector<char*> environment_of(const Program& program) {
    std::vector<char*> variables = pointers_to(program.environment);
    for (char** at = environ; *at != nullptr; ++at)
        if (!is_replaced(*at, program.environment)) variables.push_back(*at);
    variables.push_back(nullptr);
    return variables;
}

}  // namespace

Result<pid_t> spawn(const Program& program, int output) {
    std::vector<char*> arguments = pointers_to(program.words);
    arguments.push_back(nullptr);
    const std::vector<char*> environment = environment_of(program);
    Launch launch{.program = program,
                  .arguments = arguments.data(),
                  .environment = environment.data(),
                  .output = output,
                  .parent = ::getpid()};

    constexpr size_t kStackBytes = 16 << 10;  // the child makes system calls and no more
    alignas(16) std::array<std::byte, kStackBytes> stack{};
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid =
        ::clone(run_child, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, &launch);
    const int error = pid < 0 ? errno : launch.error;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error == 0) return pid;
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    return Error{"cannot start the program", error};
}
