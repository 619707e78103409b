#include "monitor/process/keeper.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <gtest/gtest.h>

#include "base/unique_fd.hpp"
#include "jailer/namespaces.hpp"

namespace {

constexpr int kNoNamespace = 99;

void tell(int pipe) {
    EXPECT_EQ(::write(pipe, "", 1), 1);
}

// A process that becomes a keeper; `monitor` is what its child does with the socket, and with a
// pipe whose other end is runs()'.
class KeptProcess {
public:
    explicit KeptProcess(const std::function<int(int keeper, int told)>& monitor) {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe(ends.data()), 0);
        lives_ = UniqueFd(ends[0]);
        const UniqueFd living(ends[1]);
        pid_ = ::fork();
        if (pid_ != 0) return;
        if (::geteuid() != 0 && !enter_user_namespace({0, 0}).ok()) ::_exit(kNoNamespace);
        const auto keeper = enter_process_namespace(SignalsFor::kVm);
        if (!keeper.ok()) ::_exit(kNoNamespace);
        tell(living.get());
        ::_exit(monitor(keeper.value(), living.get()));
    }

    // When the monitor runs, or has told more. False: there are no process namespaces for us here.
    bool runs() const {
        char byte = 0;
        const bool told = ::read(lives_.get(), &byte, 1) == 1;
        EXPECT_TRUE(told || ::geteuid() != 0);
        return told;
    }

    void send(int signal) const { EXPECT_EQ(::kill(pid_, signal), 0); }

    // The status of waitpid(2), and no process has the pipe any more.
    int wait_for_both() const {
        int status = 0;
        EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
        char byte = 0;
        EXPECT_EQ(::read(lives_.get(), &byte, 1), 0);
        return status;
    }

private:
    pid_t pid_ = 0;
    UniqueFd lives_;
};

int sleep_for_ever() {
    while (true) ::pause();
}

// The first of its namespace, and what it ends with.
TEST(Keeper, EndsAsTheMonitor) {
    const KeptProcess kept([](int /*keeper*/, int /*told*/) { return ::getpid() == 1 ? 7 : 8; });
    if (!kept.runs()) GTEST_SKIP() << "no process namespaces here";
    const int status = kept.wait_for_both();
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7);
}

// As if there were one process, whose signals have their defaults.
TEST(Keeper, EndsBothBeforeSignalsAreHeeded) {
    const KeptProcess kept([](int /*keeper*/, int /*told*/) { return sleep_for_ever(); });
    if (!kept.runs()) GTEST_SKIP() << "no process namespaces here";
    kept.send(SIGCONT);
    kept.send(SIGTERM);
    const int status = kept.wait_for_both();
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

// In whatever order. (One that is dropped is waited for until the test's time is over.)
TEST(Keeper, HandsSignalsOn) {
    const KeptProcess kept([](int keeper, int told) {
        const auto signals = Signals::create(SignalsFor::kVm, keeper);
        if (!signals.ok()) return 1;
        tell(told);
        bool is_told = false;
        bool goes_on = false;
        while (!is_told || !goes_on) {
            const int found = signals.value().take();
            is_told |= found == SIGTERM;
            goes_on |= found == SIGCONT;
            ::usleep(100);
        }
        return 9;
    });
    if (!kept.runs()) GTEST_SKIP() << "no process namespaces here";
    EXPECT_TRUE(kept.runs());  // and heeds them; a SIGTERM before that ends both
    kept.send(SIGCONT);
    kept.send(SIGTERM);
    const int status = kept.wait_for_both();
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 9);
}

// Whoever has taken the monitor over may close the socket, and ends the VM.
TEST(Keeper, KillsWhoHasLetGoOfIt) {
    const KeptProcess kept([](int keeper, int /*told*/) {
        { const UniqueFd closed(keeper); }
        return sleep_for_ever();
    });
    if (!kept.runs()) GTEST_SKIP() << "no process namespaces here";
    const int status = kept.wait_for_both();
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

}  // namespace
