#include "monitor/ports/control.hpp"

#include <algorithm>
#include <cstring>

namespace {

constexpr std::byte kNobody{0xff};

namespace i8042 {
// IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller".
constexpr unsigned kData = 0;     // port 0x60
constexpr unsigned kCommand = 4;  // port 0x64; read: status

constexpr uint8_t kStatusOutputFull = 0x01;
// Self-test passed (bit 2), keyboard not locked (bit 4). Input buffer full (bit 1) is never set:
// the controller has always taken the last byte already.
constexpr uint8_t kStatusIdle = 0x14;

constexpr uint8_t kReadConfiguration = 0x20;
constexpr uint8_t kWriteConfiguration = 0x60;
constexpr uint8_t kTestAuxiliary = 0xa9;
constexpr uint8_t kSelfTest = 0xaa;
constexpr uint8_t kTestKeyboard = 0xab;
constexpr uint8_t kWriteOutputPort = 0xd1;
constexpr uint8_t kWriteKeyboardOutput = 0xd2;
constexpr uint8_t kWriteAuxiliaryOutput = 0xd3;
constexpr uint8_t kWriteAuxiliary = 0xd4;
constexpr uint8_t kPulseReset = 0xfe;  // pulse output line 0, which is the CPU's reset

constexpr uint8_t kSelfTestPassed = 0x55;
constexpr uint8_t kClockLineStuckLow = 0x01;  // interface test: nothing is connected
}  // namespace i8042

enum : uint8_t {
    SLP_TYP_MASK = 0x1c,
    SLP_EN = 0x20,  // write-only, reads as zero
};
constexpr unsigned kSleepControl = 0;
constexpr unsigned kSleepTypeShift = 2;

}  // namespace

void I8042::in(uint16_t offset, std::span<std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i)
        data[i] = static_cast<std::byte>(read(offset + static_cast<unsigned>(i % width)));
}

void I8042::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i) {
        const auto value = static_cast<uint8_t>(data[i]);
        const unsigned port = offset + static_cast<unsigned>(i % width);
        if (port == i8042::kCommand) command(value);
        if (port == i8042::kData) write_data(value);
    }
}

uint8_t I8042::read(unsigned offset) {
    const std::lock_guard lock(mutex_);
    switch (offset) {
        case i8042::kData:
            metrics_.read_count.add();
            output_full_ = false;
            return output_;
        case i8042::kCommand:
            metrics_.read_count.add();
            return output_full_ ? i8042::kStatusIdle | i8042::kStatusOutputFull
                                : i8042::kStatusIdle;
        default:
            metrics_.missed_read_count.add();
            return 0xff;
    }
}

void I8042::command(uint8_t command) {
    if (command == i8042::kPulseReset) {
        metrics_.reset_count.add();
        listener_.guest_ended(GuestEnd::kReset, 0);
        return;
    }
    const auto answer = [this](uint8_t value) {
        output_ = value;
        output_full_ = true;
    };
    const std::lock_guard lock(mutex_);
    metrics_.write_count.add();
    awaiting_parameter_ = 0;
    switch (command) {
        case i8042::kReadConfiguration:
            return answer(configuration_);
        case i8042::kSelfTest:
            return answer(i8042::kSelfTestPassed);
        case i8042::kTestKeyboard:
        case i8042::kTestAuxiliary:
            return answer(i8042::kClockLineStuckLow);
        case i8042::kWriteConfiguration:
        case i8042::kWriteOutputPort:
        case i8042::kWriteKeyboardOutput:
        case i8042::kWriteAuxiliaryOutput:
        case i8042::kWriteAuxiliary:
            awaiting_parameter_ = command;
            return;
        default:  // enable, disable, and what this controller does not know: no answer is due
            metrics_.missed_write_count.add();
            return;
    }
}

void I8042::write_data(uint8_t value) {
    const std::lock_guard lock(mutex_);
    metrics_.write_count.add();
    switch (awaiting_parameter_) {
        case i8042::kWriteConfiguration:
            configuration_ = value;
            break;
        // The byte comes back as if typed. For the auxiliary interface too: without the status bit
        // that marks it as auxiliary, it tells the driver at once that there is no such interface.
        case i8042::kWriteKeyboardOutput:
        case i8042::kWriteAuxiliaryOutput:
            output_ = value;
            output_full_ = true;
            break;
        default:  // for a keyboard or mouse that is not there
            metrics_.missed_write_count.add();
            break;
    }
    awaiting_parameter_ = 0;
}

void ExitPort::in(uint16_t /*offset*/, std::span<std::byte> data, unsigned /*width*/) {
    std::ranges::fill(data, kNobody);
}

void ExitPort::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    uint32_t status = 0;
    if (offset != 0 || width != sizeof(status) || data.size() < sizeof(status)) return;
    std::memcpy(&status, data.data(), sizeof(status));
    listener_.guest_ended(GuestEnd::kExitPort, status);
}

void SleepRegisters::in(uint16_t offset, std::span<std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i) {
        const bool control = offset + i % width == kSleepControl;
        data[i] = static_cast<std::byte>(control ? sleep_type_.load(std::memory_order_relaxed) : 0);
    }
}

void SleepRegisters::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i) {
        if (offset + i % width != kSleepControl) continue;
        const auto value = static_cast<uint8_t>(data[i]);
        const uint8_t type = value & SLP_TYP_MASK;
        sleep_type_.store(type, std::memory_order_relaxed);
        // Other sleep types are not announced; a write that names one sleeps nowhere.
        if ((value & SLP_EN) != 0 && type >> kSleepTypeShift == soft_off_type_)
            listener_.guest_ended(GuestEnd::kPowerOff, 0);
    }
}
