// How a VM came to its end, and the latch on which main waits for it. The first report stands.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/event_fd.hpp"
#include "base/result.hpp"
#include "monitor/kvm/vcpu.hpp"

struct Ending {
    enum class Cause {
        kReport,   // the guest wrote its status to the exit port
        kVersion,  // it is not of the monitor's version (abi/version.hpp)
        kGuest,    // it ended without one: reset or power-off
        kCrash,    // the guest cannot go on
        kUser,     // Ctrl-A x
        kMonitor,  // the monitor cannot go on
        kSignal,   // SIGINT, SIGTERM, SIGHUP, SIGQUIT
        kHungUp,   // the only client of --api-fd is gone
        kTimeout,  // --timeout
    };

    Cause cause = Cause::kGuest;
    uint8_t status = 0;          // kReport: what it reported; kSignal: the signal's number
    uint32_t guest_version = 0;  // kVersion: what it said; 0: nothing
    GuestCrash crash{};          // kCrash
    Error error{};               // kMonitor
};

class EndingLatch {
public:
    static Result<EndingLatch> create();
    // Only before anything is reported.
    EndingLatch(EndingLatch&& other) noexcept : event_(std::move(other.event_)) {}
    EndingLatch(const EndingLatch&) = delete;
    EndingLatch& operator=(const EndingLatch&) = delete;
    EndingLatch& operator=(EndingLatch&&) = delete;
    ~EndingLatch() = default;

    // Any thread.
    void report(const Ending& ending);

    bool has_ended() const { return has_ended_.load(std::memory_order_acquire); }

    // Readable from the first report on.
    int fd() const { return event_.fd(); }

    // Precondition: has_ended().
    const Ending& ending() const { return ending_; }

private:
    explicit EndingLatch(EventFd event) : event_(std::move(event)) {}

    EventFd event_;
    std::mutex mutex_;  // guards the first write of ending_
    Ending ending_;     // constant once has_ended_ is true
    std::atomic<bool> has_ended_{false};
};
