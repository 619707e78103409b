#include "monitor/fault_guard.hpp"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <csignal>

#include "monitor/boot/layout.hpp"

namespace {

struct GuardState {
    std::span<const GuestMemory::Region> regions;
    const EventFd* memory_lost = nullptr;
    const Terminal* terminal = nullptr;
};

constexpr std::array kFatalSignals = {SIGSEGV, SIGILL, SIGFPE, SIGABRT};

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): see the header.
GuardState guard;
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> is_guarding{false};

bool is_guest_ram(const std::byte* at) {
    for (const auto& region : guard.regions)
        if (at >= region.host.data() && at < region.host.data() + region.host.size()) return true;
    return false;
}

void die_of(int signal) {
    guard.terminal->restore();
    ::signal(signal, SIG_DFL);
    ::raise(signal);
}

void on_fatal_signal(int signal) {
    die_of(signal);
}

void on_bus_error(int signal, siginfo_t* info, void* /*context*/) {
    if (!is_guarding.load(std::memory_order_acquire)) return die_of(signal);
    auto* const at = static_cast<std::byte*>(info->si_addr);
    if (!is_guest_ram(at)) return die_of(signal);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): to round down to a page.
    std::byte* const page = at - reinterpret_cast<uintptr_t>(at) % layout::kPageSize;
    void* const replaced = ::mmap(page, layout::kPageSize, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (replaced == MAP_FAILED) return die_of(signal);
    guard.memory_lost->signal();
}

}  // namespace

FaultGuard::FaultGuard(std::span<const GuestMemory::Region> regions, const EventFd& memory_lost,
                       const Terminal& terminal) {
    guard = {regions, &memory_lost, &terminal};
    is_guarding.store(true, std::memory_order_release);
    struct sigaction action {};
    action.sa_sigaction = &on_bus_error;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGBUS, &action, nullptr);
    if (!terminal.is_terminal()) return;
    struct sigaction fatal {};
    fatal.sa_handler = &on_fatal_signal;
    for (const int signal : kFatalSignals) ::sigaction(signal, &fatal, nullptr);
}

FaultGuard::~FaultGuard() {
    ::signal(SIGBUS, SIG_DFL);
    for (const int signal : kFatalSignals) ::signal(signal, SIG_DFL);
    is_guarding.store(false, std::memory_order_release);
}
