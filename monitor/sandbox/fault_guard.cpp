#include "monitor/sandbox/fault_guard.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>

#include "monitor/memory/layout.hpp"
#include "monitor/sandbox/forbidden_call.hpp"
#include "monitor/sandbox/peer_signals.hpp"

namespace {

struct GuardState {
    std::span<const GuestMemory::Region> regions;
    const EventFd* memory_lost = nullptr;
    const Terminal* terminal = nullptr;
};

// Those whose default ends the process, and that nothing else here takes or ignores. A program's
// SIGUSR1 and SIGUSR2 are blocked.
constexpr std::array kFatalSignals = {SIGSEGV, SIGILL,  SIGFPE,    SIGABRT, SIGTRAP,
                                      SIGUSR1, SIGUSR2, SIGSTKFLT, SIGXCPU, SIGVTALRM,
                                      SIGPROF, SIGIO,   SIGPWR};

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): see the header.
GuardState guard;
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> is_guarding{false};

bool is_guest_ram(const std::byte* at) {
    for (const auto& region : guard.regions)
        if (at >= region.host.data() && at < region.host.data() + region.host.size()) return true;
    return false;
}

void restore_terminal() {
    if (is_guarding.load(std::memory_order_acquire)) guard.terminal->restore();
}

// A fault happens again when this returns, and then ends the process (SA_RESETHAND). What somebody
// sent, or a limit, does not.
void on_fatal_signal(int signal, siginfo_t* info, void* /*context*/) {
    const bool is_fault =
        signal == SIGSEGV || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
    if (info->si_code <= 0 || !is_fault) exit_from_handler(kStatusSignalBase + signal);
    restore_terminal();
}

void on_forbidden_call(int signal, siginfo_t* info, void* /*context*/) {
    const bool is_peer = notes_signals();
    if (info->si_code > 0 || !is_peer) log_forbidden_call(*info);
    if (!is_peer) exit_from_handler(kStatusForbiddenCall);
    note_signal(signal, *info);
}

void on_bus_error(int signal, siginfo_t* info, void* /*context*/) {
    auto* const at = static_cast<std::byte*>(info->si_addr);
    const bool is_fault = info->si_code > 0;
    if (!is_fault || !is_guarding.load(std::memory_order_acquire) || !is_guest_ram(at)) {
        if (!notes_signals()) exit_from_handler(kStatusSignalBase + signal);
        note_signal(signal, *info);
        return;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): to round down to a page.
    std::byte* const page = at - reinterpret_cast<uintptr_t>(at) % layout::kPageSize;
    void* const replaced = ::mmap(page, layout::kPageSize, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (replaced == MAP_FAILED) exit_from_handler(kStatusSignalBase + signal);
    guard.memory_lost->signal();
}

}  // namespace

// The thread's filter allows no signal(2) and no raise(3) here.
void exit_from_handler(int status) {
    restore_terminal();
    ::_exit(status);
}

void report_forbidden_calls() {
    struct sigaction action {};
    action.sa_sigaction = &on_forbidden_call;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGSYS, &action, nullptr);
}

FaultGuard::FaultGuard(std::span<const GuestMemory::Region> regions, const EventFd& memory_lost,
                       const Terminal& terminal) {
    guard = {regions, &memory_lost, &terminal};
    is_guarding.store(true, std::memory_order_release);
    struct sigaction action {};
    action.sa_sigaction = &on_bus_error;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGBUS, &action, nullptr);
    report_forbidden_calls();
    if (!terminal.has_keys()) return;
    struct sigaction fatal {};
    fatal.sa_sigaction = &on_fatal_signal;
    fatal.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESETHAND);
    for (const int signal : kFatalSignals)
        if (!notes_signals() || !peer_status_of(signal).has_value())
            ::sigaction(signal, &fatal, nullptr);
}

FaultGuard::~FaultGuard() {
    is_guarding.store(false, std::memory_order_release);
}
