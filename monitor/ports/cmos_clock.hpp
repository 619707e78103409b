// The real-time clock of a PC, an MC146818 at ports 0x70 and 0x71: for kernels that do without
// ACPI, which ask it for the time and wait for a second if its answer is all ones. It tells the
// host's time (UTC, BCD, 24 hours). It cannot be set, raises no interrupt, and its memory is zeros.
//
// The machine owns it; called on vCPU threads, several at once: what it remembers is atomic.
//
// Motorola MC146818 data sheet; century register: ACPI 6.4 §5.2.9.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <span>

#include "base/result.hpp"
#include "monitor/ports/bus.hpp"
#include "monitor/ports/state.hpp"

class CmosClock final : public PortDevice {
public:
    static constexpr uint16_t kPorts = 2;  // index, data

    using Now = time_t (*)();  // seconds since 1970, UTC

    static time_t host_time();
    // `state`: as the guest finds it. Precondition: check(state).ok().
    explicit CmosClock(Now now = host_time, const CmosClockState& state = {})
        : now_(now), index_(state.index), time_(state.shown_time) {}

    // Errors: the field that no clock can have so.
    static Result<> check(const CmosClockState& state);
    // Any thread; between accesses of vCPUs, for a snapshot.
    CmosClockState save() const {
        return {.index = index_.load(std::memory_order_relaxed),
                .shown_time = time_.load(std::memory_order_relaxed)};
    }

    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

private:
    uint8_t read();

    const Now now_;
    std::atomic<uint8_t> index_;
    // The time that all registers show, as of the last reading of the seconds or of register A: so
    // that hours do not pass between two registers.
    std::atomic<time_t> time_;
};
