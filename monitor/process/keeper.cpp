#include "monitor/process/keeper.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "base/unique_fd.hpp"
#include "jailer/files.hpp"
#include "monitor/console/keeper_words.hpp"
#include "monitor/console/terminal.hpp"
#include "monitor/process/status.hpp"
#include "monitor/sandbox/sandbox.hpp"

namespace {

class Keeper {
public:
    // `socket`: to the monitor, the child `monitor`. `heeded` are blocked.
    Keeper(pid_t monitor, UniqueFd socket, const sigset_t& heeded)
        : monitor_(monitor), socket_(std::move(socket)), heeded_(heeded) {}

    [[noreturn]] void keep();

private:
    void take_word();
    void hand_on(const signalfd_siginfo& signal);
    void stop();
    void answer(char word);
    [[noreturn]] void end_as_monitor();
    [[noreturn]] static void end_by(int signal);

    pid_t monitor_;
    UniqueFd socket_;
    sigset_t heeded_;
    bool heeds_ = false;  // the monitor takes what is handed on
};

void Keeper::keep() {
    ::signal(SIGCHLD, SIG_DFL);  // ignored, it would take the monitor's status
    const UniqueFd signals(::signalfd(-1, &heeded_, SFD_CLOEXEC));
    std::vector<int> kept{socket_.get(), signals.get()};
    if (::isatty(STDIN_FILENO) == 1) kept.push_back(STDIN_FILENO);
    const bool is_alone = signals && close_all_but(std::move(kept)).ok() && leave_no_core().ok();
    if (!is_alone) ::kill(monitor_, SIGKILL);
    while (true) {
        std::array<pollfd, 2> events{{{socket_.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}}};
        if (::poll(events.data(), events.size(), -1) < 0) continue;  // EINTR
        if (events[0].revents != 0) take_word();
        signalfd_siginfo signal{};
        if (events[1].revents != 0 && ::read(signals.get(), &signal, sizeof(signal)) > 0)
            hand_on(signal);
    }
}

void Keeper::take_word() {
    char asked = 0;
    if (::read(socket_.get(), &asked, 1) <= 0) end_as_monitor();
    if (asked == keeper_words::kHeeds) heeds_ = true;
    if (asked == keeper_words::kStop) stop();
    if (asked == keeper_words::kIsAnotherJobs)
        answer(is_foreground_anothers(::getpgrp()) ? keeper_words::kYes : keeper_words::kNo);
}

void Keeper::hand_on(const signalfd_siginfo& signal) {
    const auto number = static_cast<int>(signal.ssi_signo);
    if (heeds_) {
        ::kill(monitor_, number + kHandedOn);
    } else if (number != SIGCONT && number != SIGWINCH) {
        end_by(number);  // the monitor goes with us
    }
}

void Keeper::stop() {
    ::kill(monitor_, SIGSTOP);
    ::raise(SIGSTOP);
    ::kill(monitor_, SIGCONT);
    answer(keeper_words::kYes);
}

void Keeper::answer(char word) {
    [[maybe_unused]] const ssize_t written = ::write(socket_.get(), &word, 1);
}

// One that ends by itself has its status already. One that has closed the socket is not ours.
void Keeper::end_as_monitor() {
    ::kill(monitor_, SIGKILL);
    int status = 0;
    while (::waitpid(monitor_, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFSIGNALED(status)) end_by(WTERMSIG(status));
    ::_exit(WEXITSTATUS(status));
}

void Keeper::end_by(int signal) {
    ::signal(signal, SIG_DFL);
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, signal);
    ::raise(signal);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    ::_exit(kStatusSignalBase + signal);
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
    sigset_t inherited;
    ::pthread_sigmask(SIG_BLOCK, &heeded, &inherited);
    const pid_t monitor = ::fork();
    if (monitor < 0) return Error::from_errno("fork");
    if (monitor > 0) {
        to_keeper = UniqueFd();
        Keeper(monitor, std::move(to_monitor), heeded).keep();
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
