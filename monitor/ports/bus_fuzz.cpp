// The port space of a machine, with its devices, under a guest that accesses any port in any width,
// one unit or a string of them. Whatever it does: an access reaches the device whose range holds
// all of it and no other, at the offset that it has there; reads of nobody's ports give ones; and
// the guest ends by the ports that are for it, and by no others.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/event_fd.hpp"
#include "base/fuzz_script.hpp"
#include "monitor/ports/bus.hpp"
#include "monitor/ports/cmos_clock.hpp"
#include "monitor/ports/control.hpp"
#include "monitor/ports/i8042.hpp"
#include "monitor/ports/serial.hpp"

namespace {

constexpr uint16_t kI8042 = 0x60;
constexpr uint16_t kSerial = 0x3f8;
constexpr uint16_t kExit = 0xf4;
constexpr uint16_t kSleep = 0x604;
constexpr uint8_t kSoftOff = 5;
constexpr uint16_t kReset = 0xcf9;
constexpr uint16_t kCmos = 0x70;
constexpr std::array<uint16_t, 6> kBases = {kI8042, kSerial, kExit, kSleep, kReset, kCmos};

class Sink final : public SerialSink {
public:
    void transmit(std::span<const std::byte> bytes) override { transmitted += bytes.size(); }
    bool has_room() const override { return true; }
    size_t transmitted = 0;
};

class Listener final : public ControlListener {
public:
    void guest_ended(GuestEnd how, uint32_t status) override {
        last = how;
        check(status == 0 || how == GuestEnd::kExitPort);
    }
    std::optional<GuestEnd> last{};
};

// A device that only notes what reaches it.
class Probe final : public PortDevice {
public:
    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override {
        note(offset, data.size(), width);
        std::ranges::fill(data, std::byte{0x42});
    }
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override {
        note(offset, data.size(), width);
    }
    void note(uint16_t offset, size_t size, unsigned width) {
        check(size % width == 0);
        seen = offset;
    }
    std::optional<uint16_t> seen{};
};

struct Range {
    uint16_t base;
    uint16_t size;
    uint16_t offset;
    bool holds(uint16_t port, unsigned width) const {
        return port >= base && uint32_t{port} + width <= uint32_t{base} + size;
    }
};

class Script {
public:
    explicit Script(std::span<const uint8_t> data) : script_(data) {
        check(bus_.add(kSerial, Serial::kPorts, serial_).ok());
        check(bus_.add(kI8042, 1, i8042_).ok());
        check(bus_.add(kI8042 + 2, I8042::kPorts - 2, i8042_, 2).ok());
        check(bus_.add(kExit, ExitPort::kPorts, exit_port_).ok());
        check(bus_.add(kSleep, SleepRegisters::kPorts, sleep_registers_).ok());
        check(bus_.add(kReset, ResetPort::kPorts, reset_port_).ok());
        check(bus_.add(kCmos, CmosClock::kPorts, clock_).ok());
        real_ = {{kSerial, Serial::kPorts, 0},        {kI8042, 1, 0},
                 {kI8042 + 2, I8042::kPorts - 2, 2},  {kExit, ExitPort::kPorts, 0},
                 {kSleep, SleepRegisters::kPorts, 0}, {kReset, ResetPort::kPorts, 0},
                 {kCmos, CmosClock::kPorts, 0}};
    }

    void run() {
        for (int ranges = script_.next() % 8; ranges > 0; --ranges) add_probe();
        while (!script_.is_over()) access();
    }

private:
    void add_probe() {
        const Range range{script_.next_word(), static_cast<uint16_t>(script_.next_number()),
                          static_cast<uint16_t>(script_.next())};
        const bool fits = range.size > 0 && uint32_t{range.base} + range.size <= 0x10000;
        const auto overlaps = [&](const Range& other) {
            return uint32_t{range.base} < uint32_t{other.base} + other.size &&
                   uint32_t{other.base} < uint32_t{range.base} + range.size;
        };
        const bool is_free =
            std::ranges::none_of(real_, overlaps) && std::ranges::none_of(probed_, overlaps);
        const bool has_room = real_.size() + probed_.size() < PortBus::kMaxRanges;
        const bool was_added = bus_.add(range.base, range.size, probe_, range.offset).ok();
        check(was_added == (fits && is_free && has_room));
        if (was_added) probed_.push_back(range);
    }

    void access() {
        const uint8_t how = script_.next();
        const unsigned width = 1U << how % 3;
        const auto near = static_cast<uint16_t>(script_.next());
        const uint16_t port =
            (how & 0x80) != 0
                ? script_.next_word()
                : static_cast<uint16_t>(kBases[how / 4 % kBases.size()] + near % 16 - 4);
        const size_t units = (how & 0x40) != 0 ? 1U + script_.next() : 1;
        (how & 0x20) != 0 ? in(port, units, width) : out(port, units, width);
    }

    // The range that holds the access; none: it is nobody's.
    static std::optional<Range> find(const std::vector<Range>& ranges, uint16_t port,
                                     unsigned width) {
        for (const Range& range : ranges)
            if (range.holds(port, width)) return range;
        return {};
    }

    void check_probe(uint16_t port, unsigned width) const {
        const auto range = find(probed_, port, width);
        check(probe_.seen.has_value() == range.has_value());
        if (range) check(*probe_.seen == static_cast<uint16_t>(port - range->base + range->offset));
    }

    void in(uint16_t port, size_t units, unsigned width) {
        std::vector<std::byte> data(units * width);
        probe_.seen.reset();
        listener_.last.reset();
        bus_.in(port, data, width);
        check_probe(port, width);
        check(!listener_.last);
        const bool is_nobodys = !find(probed_, port, width) && !find(real_, port, width);
        for (const std::byte byte : data) {
            if (probe_.seen) check(byte == std::byte{0x42});
            if (is_nobodys) check(byte == std::byte{0xff});
        }
    }

    void out(uint16_t port, size_t units, unsigned width) {
        std::vector<std::byte> data(units * width, static_cast<std::byte>(script_.next()));
        const size_t transmitted = sink_.transmitted;
        probe_.seen.reset();
        listener_.last.reset();
        bus_.out(port, data, width);
        check_probe(port, width);
        const auto range = find(real_, port, width);
        if (!range || range->base != kSerial) check(sink_.transmitted == transmitted);
        check(sink_.transmitted - transmitted <= data.size());
        if (!listener_.last) return;
        check(range.has_value());
        switch (*listener_.last) {
            case GuestEnd::kExitPort:
                return check(port == kExit && width == 4);
            case GuestEnd::kPowerOff:
                return check(range->base == kSleep);
            case GuestEnd::kReset:
                return check(range->base == kI8042 + 2 || (port == kReset && width == 1));
            case GuestEnd::kVersion:
                return check(false);
        }
    }

    FuzzScript script_;
    Listener listener_;
    Sink sink_;
    EventFd event_ = EventFd::create().value();
    Serial serial_{sink_, event_, event_};
    I8042 i8042_{listener_, &event_};
    ExitPort exit_port_{listener_};
    SleepRegisters sleep_registers_{listener_, kSoftOff};
    ResetPort reset_port_{listener_};
    CmosClock clock_{[] { return time_t{1798761599}; }};  // the last second of a year
    Probe probe_;
    std::vector<Range> real_, probed_;
    PortBus bus_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Script({data, size}).run();
    return 0;
}
