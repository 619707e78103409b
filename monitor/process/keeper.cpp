#include "monitor/process/keeper.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <termios.h>
#include <vector>

#include "base/unique_fd.hpp"
#include "jailer/files.hpp"
#include "monitor/console/keeper_words.hpp"
#include "monitor/console/terminal.hpp"
#include "monitor/process/status.hpp"
#include "monitor/sandbox/sandbox.hpp"

namespace {

// Those whose default ends a process, besides the heeded ones: as fault_guard's, and SIGBUS and
// SIGALRM, which mean something in the monitor alone.
constexpr std::array kFatalSignals = {SIGABRT, SIGBUS,    SIGFPE,  SIGILL,  SIGSEGV,
                                      SIGTRAP, SIGSTKFLT, SIGALRM, SIGXCPU, SIGVTALRM,
                                      SIGPROF, SIGIO,     SIGPWR,  SIGUSR1, SIGUSR2};

class Keeper {
public:
    // `socket`: to the monitor, the child `monitor`. `taken`: the signals that are blocked and read
    // here, of which `heeded` are handed on.
    Keeper(pid_t monitor, UniqueFd socket, const sigset_t& taken, const sigset_t& heeded)
        : monitor_(monitor),
          socket_(std::move(socket)),
          signals_(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK)),
          heeded_(heeded),
          has_terminal_(::tcgetattr(STDIN_FILENO, &terminal_) == 0) {}

    [[noreturn]] void keep();

private:
    Result<> be_alone() const;
    void take_word();
    void take_signals();
    void take(int signal);
    void stop_alone() const;
    void go_on();
    void answer(char word);
    [[noreturn]] void end_as_monitor();
    [[noreturn]] void end_with_monitor(int signal);
    [[noreturn]] void end_by(int signal);

    pid_t monitor_;
    pid_t process_ = ::getpid();  // its only thread's id, too
    UniqueFd socket_;
    UniqueFd signals_;
    sigset_t heeded_;
    termios terminal_{};  // as the monitor will find it
    bool has_terminal_;
    bool heeds_ = false;  // the monitor takes what is handed on
    bool stops_ = false;  // SIGTSTP came, and no SIGCONT since
};

Result<> Keeper::be_alone() const {
    if (!signals_) return Error::from_errno("signalfd");
    std::vector<int> kept{socket_.get(), signals_.get()};
    if (has_terminal_) kept.push_back(STDIN_FILENO);
    TRY(close_all_but(std::move(kept)));
    return leave_no_core();
}

void Keeper::keep() {
    if (!be_alone().ok()) ::kill(monitor_, SIGKILL);
    while (true) {
        std::array<pollfd, 2> events{{{socket_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
        if (::poll(events.data(), events.size(), -1) < 0) continue;  // EINTR
        if (events[0].revents != 0) take_word();
        if (events[1].revents != 0) take_signals();
    }
}

void Keeper::take_word() {
    char asked = 0;
    if (::read(socket_.get(), &asked, 1) <= 0) end_as_monitor();
    if (asked == keeper_words::kHeeds) heeds_ = true;
    if (asked == keeper_words::kIsAnotherJobs)
        answer(is_foreground_anothers(::getpgrp()) ? keeper_words::kYes : keeper_words::kNo);
    if (asked != keeper_words::kStop) return;
    ::kill(monitor_, SIGSTOP);
    take_signals();  // a SIGCONT among them
    if (stops_) stop_alone();
    go_on();
    answer(keeper_words::kYes);
}

void Keeper::take_signals() {
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof(signal)) > 0)
        take(static_cast<int>(signal.ssi_signo));
}

void Keeper::take(int signal) {
    if (signal == SIGTSTP) stops_ = true;
    if (signal == SIGCONT) stops_ = false;
    if (::sigismember(&heeded_, signal) == 0) end_with_monitor(signal);
    if (heeds_) {
        ::kill(monitor_, signal + kHandedOn);
    } else if (signal == SIGTSTP) {
        ::kill(monitor_, SIGSTOP);
        stop_alone();
        go_on();
    } else if (signal != SIGCONT && signal != SIGWINCH) {
        end_with_monitor(signal);
    }
}

// A SIGCONT that comes between the look for one and this is lost: nothing stands between the two,
// and raise(3) would be three system calls.
void Keeper::stop_alone() const {
    ::syscall(SYS_tgkill, process_, process_, SIGSTOP);
}

void Keeper::go_on() {
    ::kill(monitor_, SIGCONT);
    stops_ = false;
}

// A monitor that asks and does not read is not ours.
void Keeper::answer(char word) {
    if (::send(socket_.get(), &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        ::kill(monitor_, SIGKILL);
}

// One that ends by itself has its status already. One that has closed the socket is not ours.
void Keeper::end_as_monitor() {
    ::kill(monitor_, SIGKILL);
    int status = 0;
    while (::waitpid(monitor_, &status, 0) < 0)
        if (errno != EINTR) ::_exit(kRunStatuses.monitor_failed);
    if (WIFSIGNALED(status)) end_by(WTERMSIG(status));
    ::_exit(WEXITSTATUS(status));
}

void Keeper::end_with_monitor(int signal) {
    ::kill(monitor_, SIGKILL);
    while (::waitpid(monitor_, nullptr, 0) < 0 && errno == EINTR) continue;
    end_by(signal);
}

// Whoever is killed restores no terminal.
void Keeper::end_by(int signal) {
    if (has_terminal_ && !is_foreground_anothers(::getpgrp()))
        ::tcsetattr(STDIN_FILENO, TCSANOW, &terminal_);
    ::signal(signal, SIG_DFL);
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, signal);
    ::raise(signal);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    ::_exit(kStatusSignalBase + signal);
}

sigset_t fatal_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : kFatalSignals)
        if (!is_ignored(signal)) ::sigaddset(&set, signal);
    return set;
}

sigset_t operator|(sigset_t set, const sigset_t& more) {
    for (int signal = 1; signal < kHandedOn; ++signal)
        if (::sigismember(&more, signal) == 1) ::sigaddset(&set, signal);
    return set;
}

}  // namespace

Result<int> enter_process_namespace(SignalsFor signals) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return Error::from_errno("socketpair");
    UniqueFd to_monitor(ends[0]);
    UniqueFd to_keeper(ends[1]);
    if (::unshare(CLONE_NEWPID) != 0)
        return Error::from_errno("unshare(CLONE_NEWPID)", "a jail needs a process namespace");
    const sigset_t heeded = heeded_signals(signals);
    const sigset_t taken = heeded | fatal_signals();
    sigset_t blocked = taken;
    // A job that reads or writes in the background is stopped alone, which the monitor is not.
    for (const int signal : {SIGTTIN, SIGTTOU}) ::sigaddset(&blocked, signal);
    sigset_t inherited;
    ::pthread_sigmask(SIG_BLOCK, &blocked, &inherited);
    ::signal(SIGCHLD, SIG_DFL);  // ignored, it would take the monitor's status
    const pid_t monitor = ::fork();
    if (monitor < 0) return Error::from_errno("fork");
    if (monitor > 0) {
        to_keeper = UniqueFd();
        Keeper(monitor, std::move(to_monitor), taken, heeded).keep();
    }
    to_monitor = UniqueFd();
    ::pthread_sigmask(SIG_SETMASK, &inherited, nullptr);
    TRY(end_with_keeper(to_keeper.get()));
    return to_keeper.release();
}

Result<> end_with_keeper(int keeper) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return Error::from_errno("prctl(PR_SET_PDEATHSIG)");
    pollfd hangup{keeper, 0, 0};
    if (::poll(&hangup, 1, 0) > 0) return Error{"keeper", ESRCH};
    return Ok{};
}
