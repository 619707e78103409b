#include "monitor/ports/i8042.hpp"

#include <algorithm>

#include "abi/machine.hpp"

namespace {

constexpr unsigned kData = 0;     // port 0x60
constexpr unsigned kCommand = 4;  // port 0x64; read: status

constexpr uint8_t kStatusOutputFull = 0x01;
// Self-test passed (bit 2), keyboard not locked (bit 4). Input buffer full (bit 1) is never set:
// the controller has always taken the last byte already.
constexpr uint8_t kStatusIdle = 0x14;

// The command byte.
constexpr uint8_t kKeyboardInterrupt = 0x01;
constexpr uint8_t kSelfTestDone = 0x04;
constexpr uint8_t kKeyboardOff = 0x10;
constexpr uint8_t kAuxiliaryOff = 0x20;
constexpr uint8_t kTranslation = 0x40;
// As a PC's firmware leaves it.
constexpr uint8_t kWithKeyboard = kKeyboardInterrupt | kSelfTestDone | kAuxiliaryOff | kTranslation;
constexpr uint8_t kWithoutKeyboard = kSelfTestDone | kKeyboardOff | kAuxiliaryOff | kTranslation;

constexpr uint8_t kReadConfiguration = 0x20;
constexpr uint8_t kWriteConfiguration = 0x60;
constexpr uint8_t kTestAuxiliary = 0xa9;
constexpr uint8_t kSelfTest = 0xaa;
constexpr uint8_t kTestKeyboard = 0xab;
constexpr uint8_t kDisableKeyboard = 0xad;
constexpr uint8_t kEnableKeyboard = 0xae;
constexpr uint8_t kWriteOutputPort = 0xd1;
constexpr uint8_t kWriteKeyboardOutput = 0xd2;
constexpr uint8_t kWriteAuxiliaryOutput = 0xd3;
constexpr uint8_t kWriteAuxiliary = 0xd4;
constexpr uint8_t kPulseReset = guest_abi::kPulseReset;  // pulse output line 0, the CPU's reset

constexpr uint8_t kSelfTestPassed = 0x55;
constexpr uint8_t kInterfaceWorks = 0x00;
constexpr uint8_t kClockLineStuckLow = 0x01;  // interface test: nothing is connected

namespace keyboard {
// Commands; all others are acknowledged, and so are parameters.
constexpr uint8_t kEcho = 0xee;
constexpr uint8_t kReadId = 0xf2;
constexpr uint8_t kReset = 0xff;

constexpr std::array<uint8_t, 1> kAcknowledge{0xfa};
constexpr std::array<uint8_t, 3> kId{0xfa, 0xab, 0x83};
constexpr std::array<uint8_t, 3> kTranslatedId{0xfa, 0xab, 0x41};
constexpr std::array<uint8_t, 2> kIsReset{0xfa, 0xaa};

// Ctrl, Alt and Del (the grey one, which has a prefix) are pressed, then let go the other way
// round: by scan code set 2, and as a translating controller makes set 1 of it.
constexpr std::array<uint8_t, 11> kCtrlAltDel{0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0,
                                              0x71, 0xf0, 0x11, 0xf0, 0x14};
constexpr std::array<uint8_t, 8> kTranslatedCtrlAltDel{0x1d, 0x38, 0xe0, 0x53,
                                                       0xe0, 0xd3, 0xb8, 0x9d};
}  // namespace keyboard

}  // namespace

void I8042::Bytes::assign(std::span<const uint8_t> bytes) {
    size_ = std::min(bytes.size(), kCapacity);
    at_ = 0;
    std::ranges::copy(bytes.first(size_), bytes_.begin());
}

bool I8042::Bytes::append_stroke(std::span<const uint8_t> bytes) {
    const size_t rest = size_ - at_;
    if (rest > (kMostStrokes - 1) * bytes.size()) return false;
    const auto waiting = std::span(bytes_).first(size_);
    std::shift_left(waiting.begin(), waiting.end(), static_cast<ptrdiff_t>(at_));
    std::ranges::copy(bytes, std::span(bytes_).subspan(rest).begin());
    size_ = rest + bytes.size();
    at_ = 0;
    return true;
}

I8042::I8042(ControlListener& listener, const EventFd* keyboard_interrupt, const I8042State& state)
    : listener_(listener),
      interrupt_(keyboard_interrupt),
      configuration_(state.configuration.value_or(keyboard_interrupt == nullptr ? kWithoutKeyboard
                                                                                : kWithKeyboard)),
      output_(state.output),
      awaiting_parameter_(state.awaiting_parameter) {
    static_assert(kMostStrokes * keyboard::kCtrlAltDel.size() == Bytes::kCapacity);
    answer_.assign(state.answer);
    keys_.assign(state.keys);
}

Result<> I8042::check(const I8042State& state, bool has_keyboard) {
    constexpr auto kWithParameter =
        std::to_array<uint8_t>({0, kWriteConfiguration, kWriteOutputPort, kWriteKeyboardOutput,
                                kWriteAuxiliaryOutput, kWriteAuxiliary});
    static_assert(keyboard::kId.size() == I8042State::kMostAnswerBytes);
    if (state.answer.size() > I8042State::kMostAnswerBytes)
        return Error{"i8042: bytes of an answer", 0, "are more than any has", state.answer.size()};
    if (state.keys.size() > I8042State::kMostKeyBytes)
        return Error{"i8042: bytes of keys", 0, "are more than wait for a guest",
                     state.keys.size()};
    if (!state.keys.empty() && !has_keyboard)
        return Error{"i8042: bytes of keys", 0, "wait, and the VM has no keyboard",
                     state.keys.size()};
    if (std::ranges::find(kWithParameter, state.awaiting_parameter) == kWithParameter.end())
        return Error{"i8042: command", 0, "has no parameter to wait for", state.awaiting_parameter};
    return Ok{};
}

I8042State I8042::save() const {
    const std::lock_guard lock(mutex_);
    const auto answer = answer_.rest();
    const auto keys = keys_.rest();
    return {.configuration = configuration_,
            .answer = {answer.begin(), answer.end()},
            .keys = {keys.begin(), keys.end()},
            .output = output_,
            .awaiting_parameter = awaiting_parameter_};
}

void I8042::repeat_interrupt() const {
    const std::lock_guard lock(mutex_);
    interrupt_for_output();
}

Result<> I8042::press_ctrl_alt_del() {
    if (!has_keyboard()) return Error{"Ctrl+Alt+Del", 0, "the VM has no keyboard"};
    const std::lock_guard lock(mutex_);
    const bool translates = (configuration_ & kTranslation) != 0;
    if (!(translates ? keys_.append_stroke(keyboard::kTranslatedCtrlAltDel)
                     : keys_.append_stroke(keyboard::kCtrlAltDel)))
        return Error{"Ctrl+Alt+Del", 0, "the guest has not taken the last ones"};
    interrupt_for_output();
    return Ok{};
}

void I8042::in(uint16_t offset, std::span<std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i)
        data[i] = static_cast<std::byte>(read(offset + static_cast<unsigned>(i % width)));
}

void I8042::out(uint16_t offset, std::span<const std::byte> data, unsigned width) {
    for (size_t i = 0; i < data.size(); ++i) {
        const auto value = static_cast<uint8_t>(data[i]);
        const unsigned port = offset + static_cast<unsigned>(i % width);
        if (port == kCommand) command(value);
        if (port == kData) write_data(value);
    }
}

uint8_t I8042::read(unsigned offset) {
    const std::lock_guard lock(mutex_);
    switch (offset) {
        case kData:
            metrics_.read_count.add();
            return take_output();
        case kCommand:
            metrics_.read_count.add();
            return has_output() ? kStatusIdle | kStatusOutputFull : kStatusIdle;
        default:
            metrics_.missed_read_count.add();
            return 0xff;
    }
}

void I8042::command(uint8_t command) {
    if (command == kPulseReset) {
        metrics_.reset_count.add();
        listener_.guest_ended(GuestEnd::kReset, 0);
        return;
    }
    const std::lock_guard lock(mutex_);
    metrics_.write_count.add();
    awaiting_parameter_ = 0;
    switch (command) {
        case kReadConfiguration:
            return answer(configuration_);
        case kSelfTest:
            return answer(kSelfTestPassed);
        case kTestKeyboard:
            return answer(has_keyboard() ? kInterfaceWorks : kClockLineStuckLow);
        case kTestAuxiliary:
            return answer(kClockLineStuckLow);
        case kDisableKeyboard:
            return write_configuration(configuration_ | kKeyboardOff);
        case kEnableKeyboard:
            return write_configuration(configuration_ & ~kKeyboardOff & 0xff);
        case kWriteConfiguration:
        case kWriteOutputPort:
        case kWriteKeyboardOutput:
        case kWriteAuxiliaryOutput:
        case kWriteAuxiliary:
            awaiting_parameter_ = command;
            return;
        default:  // what this controller does not know: no answer is due
            metrics_.missed_write_count.add();
            return;
    }
}

void I8042::write_data(uint8_t value) {
    const std::lock_guard lock(mutex_);
    metrics_.write_count.add();
    const uint8_t command = awaiting_parameter_;
    awaiting_parameter_ = 0;
    switch (command) {
        case kWriteConfiguration:
            return write_configuration(value);
        // The byte comes back as if typed. For the auxiliary interface too: without the status bit
        // that marks it as auxiliary, it tells the driver at once that there is no such interface.
        case kWriteKeyboardOutput:
        case kWriteAuxiliaryOutput:
            return answer(value);
        case 0:
            if (has_keyboard()) return answer_as_keyboard(value);
            [[fallthrough]];
        default:  // for a keyboard or mouse that is not there
            metrics_.missed_write_count.add();
            return;
    }
}

// A key's byte waits while the keyboard's line is held; an answer is out already.
bool I8042::has_output() const {
    return !answer_.is_empty() || (!keys_.is_empty() && (configuration_ & kKeyboardOff) == 0);
}

uint8_t I8042::take_output() {
    if (!has_output()) return output_;
    output_ = answer_.is_empty() ? keys_.take() : answer_.take();
    interrupt_for_output();
    return output_;
}

void I8042::answer_as_keyboard(uint8_t command) {
    switch (command) {
        case keyboard::kEcho:
            answer(keyboard::kEcho);
            break;
        case keyboard::kReadId:
            answer((configuration_ & kTranslation) != 0 ? keyboard::kTranslatedId : keyboard::kId);
            break;
        case keyboard::kReset:
            answer(keyboard::kIsReset);
            break;
        default:
            answer(keyboard::kAcknowledge);
            break;
    }
    interrupt_for_output();
}

void I8042::write_configuration(uint8_t value) {
    configuration_ = value;
    interrupt_for_output();
}

void I8042::interrupt_for_output() const {
    if (has_keyboard() && (configuration_ & kKeyboardInterrupt) != 0 && has_output())
        interrupt_->signal();
}
