#include "jailer/launch.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <csignal>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "jailer/leftovers.hpp"
#include "jailer/program.hpp"

namespace {

// No descriptor of the caller's survives the execution but stdin, stdout, stderr and `kept`.
Result<> keep_only(std::span<const int> kept) {
    if (::syscall(SYS_close_range, STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC) != 0)
        return Error::from_errno("close_range", "Linux 5.11 or newer is needed");
    for (const int fd : kept)
        if (::fcntl(fd, F_SETFD, 0) != 0)
            return Error::from_errno("--keep-fd", "name a descriptor that is open");
    return Ok{};
}

// Goes on in a child; the caller's process ends with 0 when the child has executed the program, and
// with 1 when the child has failed.
class Child {
public:
    // `in_parent` gets the child's id there, once it runs. `flags`: CLONE_* for clone(2).
    static Result<Child> enter(unsigned flags, const std::function<Result<>(pid_t)>& in_parent) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno("pipe");
        const UniqueFd from(ends[0]);
        UniqueFd to(ends[1]);
        const auto child =
            static_cast<pid_t>(::syscall(SYS_clone, flags | SIGCHLD, 0, nullptr, nullptr, 0));
        if (child < 0) return Error::from_errno("clone");
        if (child == 0) return Child{std::move(to)};
        to = UniqueFd();
        if (const auto done = in_parent(child); !done.ok()) {
            ::kill(child, SIGKILL);
            return done.error();
        }
        char failed = 0;
        // The end of the pipe: the program runs, and has not inherited it.
        ::_exit(::read(from.get(), &failed, 1) == 0 ? 0 : 1);
    }

    // Tells the parent that the program was not executed.
    void fail() const { [[maybe_unused]] const ssize_t written = ::write(report_.get(), "", 1); }

private:
    explicit Child(UniqueFd report) : report_(std::move(report)) {}

    UniqueFd report_;
};

class Launch {
public:
    Launch(const JailOptions& options, const Program& program, const Leftovers& jail)
        : options_(options), program_(program), jail_(jail) {}

    // Returns only on failure.
    Error run() {
        const auto entered = enter();
        const Error error = entered.ok() ? program_.execute(monitor_arguments()) : entered.error();
        if (errors_) ::dup2(errors_.get(), STDERR_FILENO);
        if (has_entered_root_) detach(mounts_in_jail());
        if (!has_cleaner_) jail_.remove(Leftovers::Extent::kOurOwn);
        if (pid_namespace_) pid_namespace_->fail();
        if (daemon_) daemon_->fail();
        return error;
    }

private:
    Result<> enter() {
        UniqueFd null;
        if (options_.daemonize) {
            null = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
            errors_ = UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
            if (!null) return Error::from_errno("--daemonize").about("/dev/null");
            daemon_.emplace(TRY(Child::enter(0, [](pid_t) { return Ok{}; })));
        }
        if (options_.cleanup && !options_.new_pid_ns) TRY(clean_after(::getpid(), {}));
        TRY(enter_own_namespaces());
        TRY(enter_own_root());
        if (options_.new_pid_ns)
            TRY(enter_pid_namespace());
        else if (options_.daemonize)
            TRY(write_process_id(::getpid(), "--daemonize"));
        TRY(jail_.cgroups().join());
        if (options_.daemonize) {
            ::setsid();
            for (int fd = 0; fd <= STDERR_FILENO; ++fd)
                if (::dup2(null.get(), fd) < 0) return Error::from_errno("--daemonize");
        }
        TRY(leave_session_keyring());
        TRY(set_limits(options_.limits));
        if (!has_cleaner_) jail_.unlock();
        return drop_privileges(options_.ids, is_root_ ? Groups::kDrop : Groups::kKeep);
    }

    Result<> enter_own_namespaces() {
        if (options_.netns != nullptr) TRY(join_network(options_.netns));
        if (!is_root_) TRY(enter_user_namespace(options_.ids));
        const bool keeps = options_.netns != nullptr || options_.keeps_network;
        return enter_namespaces(keeps ? Network::kKept : Network::kEmpty);
    }

    Result<> enter_own_root() {
        const UniqueFd root = TRY(jail_.mount_root());
        const Devices devices = is_root_ ? Devices::kMade : Devices::kBound;
        const auto furnished = furnish_root(root.get(), options_.ids, devices, options_.binds);
        const auto entered = furnished.ok() ? ::enter_root(root.get()) : furnished;
        has_entered_root_ = entered.ok();
        if (!entered.ok()) let_go_of(root.get());
        return entered;
    }

    // Firecracker's contract: the monitor's process id is in NAME.pid in the jail's root.
    Result<> write_process_id(pid_t process, const char* flag) const {
        const std::string path = "/" + program_.name() + ".pid";
        const UniqueFd file(
            ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644));
        const std::string text = std::to_string(process);
        if (file && ::write(file.get(), text.data(), text.size()) == std::ssize(text)) return Ok{};
        return Error::from_errno("write the process's id", errno == EEXIST ? kJailIsTaken : nullptr)
            .about(flag);
    }

    Result<> enter_pid_namespace() {
        pid_namespace_.emplace(TRY(Child::enter(CLONE_NEWPID, [this](pid_t child) -> Result<> {
            TRY(write_process_id(child, "--new-pid-ns"));
            return options_.cleanup ? clean_after(child, mounts_in_jail()) : Ok{};
        })));
        has_cleaner_ = options_.cleanup;
        return Ok{};
    }

    // What was bound there, the last first.
    std::vector<std::string> mounts_in_jail() const {
        std::vector<std::string> mounts;
        for (const Bind& bind : options_.binds) mounts.insert(mounts.begin(), bind.destination);
        if (!is_root_) mounts.insert(mounts.end(), {"/dev/kvm", "/dev/net/tun", "/dev/urandom"});
        return mounts;
    }

    Result<> clean_after(pid_t process, const std::vector<std::string>& mounts) {
        UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
        if (!fd) return Error::from_errno("pidfd_open").about("--cleanup");
        TRY(jail_.start_cleaner(std::move(fd), mounts));
        has_cleaner_ = true;
        return Ok{};
    }

    // A subcommand has its own flags; those of Firecracker's jailer come only without one.
    std::vector<std::string> monitor_arguments() const {
        const auto given = options_.arguments;
        std::vector<std::string> arguments;
        if (given.empty() || *given.front() == '-') {
            arguments = {
                "--id=" + options_.id,
                "--start-time-us=" + std::to_string(microseconds(CLOCK_MONOTONIC)),
                "--start-time-cpu-us=" + std::to_string(microseconds(CLOCK_PROCESS_CPUTIME_ID))};
        }
        arguments.insert(arguments.end(), given.begin(), given.end());
        return arguments;
    }

    static uint64_t microseconds(clockid_t clock) {
        timespec now{};
        ::clock_gettime(clock, &now);
        return static_cast<uint64_t>(now.tv_sec) * 1'000'000 +
               static_cast<uint64_t>(now.tv_nsec) / 1000;
    }

    const JailOptions& options_;
    const Program& program_;
    const Leftovers& jail_;
    const bool is_root_ = ::geteuid() == 0;
    bool has_cleaner_ = false;
    bool has_entered_root_ = false;
    UniqueFd errors_;  // a daemon's stderr, for as long as something may go wrong
    std::optional<Child> daemon_;
    std::optional<Child> pid_namespace_;
};

}  // namespace

Error launch(const JailOptions& options) {
    // Without root it stays the caller who executes it.
    const JailIds caller{::geteuid(), ::getegid()};
    const auto program =
        Program::open(options.exec_file.c_str(), caller.uid == 0 ? options.ids : caller);
    if (!program.ok()) return program.error();
    if (const auto kept = keep_only(options.kept_fds); !kept.ok()) return kept.error();
    const auto jail = Leftovers::make(options, program.value().name());
    if (!jail.ok()) return jail.error();
    return Launch(options, program.value(), jail.value()).run();
}
