#include "monitor/process/ending_report.hpp"

#include <poll.h>

#include <array>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <string>

#include "abi/version.hpp"
#include "base/log.hpp"
#include "monitor/process/status.hpp"

namespace {

void log_version(uint32_t guest_version) {
    constexpr char kRemedy[] =
        "install mayfly and lib/mayfly/init of one release; a guest of your own says the monitor's "
        "version first, see docs/channel.md";
    if (guest_version == 0)
        LOG_ERROR("the channel: the guest says no version, this monitor is of version %" PRIu32
                  "; %s",
                  guest_abi::kVersion, kRemedy);
    else
        LOG_ERROR("the channel: the guest is of version %" PRIu32
                  ", this monitor is of version %" PRIu32 "; %s",
                  guest_version, guest_abi::kVersion, kRemedy);
}

void log_crash(const GuestCrash& crash) {
    std::array<char, 3 * sizeof(crash.instruction) + 1> bytes{};
    for (size_t i = 0; i < crash.instruction_size; ++i)
        std::snprintf(&bytes[3 * i], 4, " %02x", crash.instruction[i]);
    LOG_ERROR("guest crashed: %s (code %#" PRIx64 ") at rip %#" PRIx64 "%s%s", crash.reason,
              crash.code, crash.rip, crash.instruction_size > 0 ? ", instruction bytes" : "",
              bytes.data());
}

// What a console that nobody saw has to say about a failure.
void show_last_words(const Stdio& stdio) {
    const std::string words = stdio.last_words();
    if (!words.empty()) log_as_it_is("mayfly: the guest's console said:\n" + words + "\n");
}

}  // namespace

void report_ending(const Ending& ending, StdioKind kind, uint64_t timeout_ms, const Stdio& stdio) {
    switch (ending.cause) {
        case Ending::Cause::kCrash:
            log_crash(ending.crash);
            show_last_words(stdio);
            break;
        case Ending::Cause::kGuest:
            if (!is_without_status(ending, kind)) break;
            LOG_ERROR("the guest ended before its program did");
            show_last_words(stdio);
            break;
        case Ending::Cause::kVersion:
            log_version(ending.guest_version);
            break;
        case Ending::Cause::kMonitor:
            log_error(ending.error);
            break;
        case Ending::Cause::kTimeout:
            LOG_ERROR("--timeout: the guest still ran after %" PRIu64 " ms", timeout_ms);
            show_last_words(stdio);
            break;
        default:
            break;
    }
    if (stdio.output_error() != 0)
        log_error(Error{"write", stdio.output_error()}.about(
            (std::to_string(stdio.dropped_bytes()) + " bytes of the guest's output").c_str()));
    else if (stdio.dropped_bytes() > 0)
        LOG_WARNING("%" PRIu64 " bytes of the guest's output were lost: nobody read them",
                    stdio.dropped_bytes());
    if (stdio.passed_over_frames() > 0)
        LOG_WARNING("the channel: %" PRIu64
                    " frames of the guest's were passed over: of a type or "
                    "a stream that is not theirs to send",
                    stdio.passed_over_frames());
}

void count_ending(const Ending& ending, const EventFd& memory_lost, Metrics& metrics) {
    pollfd lost{memory_lost.fd(), POLLIN, 0};
    if (::poll(&lost, 1, 0) > 0) metrics.signals.sigbus.add();
    if (ending.cause == Ending::Cause::kSignal) count_signal(ending.status, metrics);
    if (ending.cause == Ending::Cause::kMonitor) metrics.vmm.panic_count.add();
}

void log_signal(const NotedSignal& signal) {
    LOG_ERROR("Shutting down VM after intercepting signal %d, code %d.", signal.number,
              signal.code);
}

void count_signal(int signal, Metrics& metrics) {
    SignalMetrics& signals = metrics.signals;
    switch (signal) {
        case SIGBUS:
            return signals.sigbus.add();
        case SIGHUP:
            return signals.sighup.add();
        case SIGILL:
            return signals.sigill.add();
        case SIGSEGV:
            return signals.sigsegv.add();
        case SIGSYS:
            return metrics.seccomp.num_faults.add();
        case SIGXCPU:
            return signals.sigxcpu.add();
        case SIGXFSZ:
            return signals.sigxfsz.add();
        default:
            return;
    }
}
