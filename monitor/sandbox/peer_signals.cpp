#include "monitor/sandbox/peer_signals.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>

#include "base/thread.hpp"
#include "monitor/sandbox/fault_guard.hpp"

namespace {

struct PeerStatus {
    int signal;
    int status;
};

constexpr std::array<PeerStatus, 7> kStatuses = {{{SIGSYS, kStatusForbiddenCall},
                                                  {SIGBUS, 149},
                                                  {SIGSEGV, 150},
                                                  {SIGXFSZ, 151},
                                                  {SIGXCPU, 154},
                                                  {SIGHUP, 156},
                                                  {SIGILL, 157}}};

constexpr time_t kPatienceSeconds = 1;

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): see the header.
std::atomic<const EventFd*> news{nullptr};
std::atomic<pid_t> main_thread{0};
// The number, and above it the code, as one: what comes later changes neither. 0: nothing yet.
std::atomic<uint64_t> first_noted{0};
std::atomic<const char*> stuck_thread{nullptr};
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

// Main ends the process meanwhile. By futex(2), which all filters allow.
void wait_for_main() {
    constexpr uint32_t kNeverChanged = 0;
    const timespec patience{.tv_sec = kPatienceSeconds, .tv_nsec = 0};
    ::syscall(SYS_futex, &kNeverChanged, FUTEX_WAIT_PRIVATE, kNeverChanged, &patience, nullptr, 0);
}

// What was sent, and what a limit sends, leaves the thread where it was.
bool can_go_on(int signal, const siginfo_t& info) {
    return info.si_code <= 0 || signal == SIGXFSZ || signal == SIGXCPU || signal == SIGHUP;
}

void on_signal(int signal, siginfo_t* info, void* /*context*/) {
    note_signal(signal, *info);
}

}  // namespace

std::optional<int> peer_status_of(int signal) {
    for (const PeerStatus& one : kStatuses)
        if (one.signal == signal) return one.status;
    return {};
}

void note_signals_as_peer(const EventFd& told) {
    main_thread = ::gettid();
    news = &told;
    struct sigaction action {};
    action.sa_sigaction = &on_signal;
    action.sa_flags = SA_SIGINFO;
    for (const PeerStatus& one : kStatuses) ::sigaction(one.signal, &action, nullptr);
}

bool notes_signals() {
    return news.load() != nullptr;
}

std::optional<NotedSignal> noted_signal() {
    const uint64_t noted = first_noted.load();
    if (noted == 0) return {};
    return NotedSignal{.number = static_cast<int>(static_cast<uint32_t>(noted)),
                       .code = static_cast<int>(noted >> 32U),
                       .stuck_thread = stuck_thread.load()};
}

void note_signal(int signal, const siginfo_t& info) {
    if (!can_go_on(signal, info)) stuck_thread.store(Thread::current_name());
    uint64_t nothing = 0;
    const uint64_t noted =
        uint64_t{static_cast<uint32_t>(info.si_code)} << 32U | static_cast<uint32_t>(signal);
    if (first_noted.compare_exchange_strong(nothing, noted)) news.load()->signal();
    if (can_go_on(signal, info)) return;
    if (::gettid() != main_thread.load()) wait_for_main();
    exit_from_handler(peer_status_of(signal).value_or(kStatusSignalBase + signal));
}
