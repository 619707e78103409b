#include "monitor/sandbox/peer_signals.hpp"

#include <poll.h>
#include <unistd.h>

#include <cstring>
#include <gtest/gtest.h>

#include "base/thread.hpp"

namespace {

// Each body runs in a process of its own: the state is the process's.

void fault() {
    const volatile int* volatile nowhere = nullptr;
    static_cast<void>(*nowhere);
}

[[noreturn]] void fault_on_main() {
    const EventFd news = EventFd::create().value();
    note_signals_as_peer(news);
    fault();
    ::_exit(1);
}

// 7: main has learnt of it, and of whose it is, while the thread waits.
[[noreturn]] void fault_beside_main() {
    const EventFd news = EventFd::create().value();
    note_signals_as_peer(news);
    const auto thread = Thread::start("other", [] { fault(); });
    pollfd event{news.fd(), POLLIN, 0};
    while (::poll(&event, 1, -1) <= 0) {
    }
    const auto noted = noted_signal();
    const bool is_right = noted.has_value() && noted->number == SIGSEGV && noted->code > 0 &&
                          std::strcmp(noted->stuck_thread, "other") == 0;
    ::_exit(is_right ? 7 : 1);
}

// Main does not look.
[[noreturn]] void fault_unheeded() {
    const EventFd news = EventFd::create().value();
    note_signals_as_peer(news);
    const auto thread = Thread::start("other", [] { fault(); });
    while (true) ::pause();
}

// 7: the process goes on, and main learns of the first.
[[noreturn]] void send_two() {
    const EventFd news = EventFd::create().value();
    note_signals_as_peer(news);
    ::raise(SIGILL);
    ::raise(SIGBUS);
    const auto noted = noted_signal();
    const bool is_right = noted.has_value() && noted->number == SIGILL && noted->code <= 0 &&
                          noted->stuck_thread == nullptr && news.drain();
    ::_exit(is_right ? 7 : 1);
}

TEST(PeerSignals, AFaultOfMainEndsTheProcessWithItsStatus) {
    EXPECT_EXIT(fault_on_main(), testing::ExitedWithCode(150), "");
}

TEST(PeerSignals, AFaultBesideMainWaitsForMain) {
    EXPECT_EXIT(fault_beside_main(), testing::ExitedWithCode(7), "");
}

TEST(PeerSignals, AFaultThatMainDoesNotHeedEndsTheProcess) {
    EXPECT_EXIT(fault_unheeded(), testing::ExitedWithCode(150), "");
}

TEST(PeerSignals, OfWhatIsSentTheFirstCounts) {
    EXPECT_EXIT(send_two(), testing::ExitedWithCode(7), "");
}

TEST(PeerSignals, SignalsWithoutAStatusKeepTheirs) {
    EXPECT_EQ(peer_status_of(SIGTERM), std::nullopt);
    EXPECT_EQ(peer_status_of(SIGHUP), 156);
}

}  // namespace
