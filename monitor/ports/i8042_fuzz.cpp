// The bytes are a script of port accesses and of Ctrl+Alt+Dels from the API. Whatever a guest does:
// only the reset command ends it, four strokes wait for the guest and no more, so that what waits
// is never more than an answer and these, and a driver that reads one byte for each interrupt gets
// all of it. So it is if the controller is saved meanwhile, and another goes on from there.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "monitor/ports/i8042.hpp"

namespace {

void check(bool holds) {
    if (!holds) __builtin_trap();
}

class Script final : ControlListener {
public:
    Script(const uint8_t* data, size_t size) : data_(data), size_(size) {}

    void run() {
        while (at_ < size_) step(next());
        drain();
    }

private:
    uint8_t next() { return at_ < size_ ? data_[at_++] : uint8_t{0}; }

    ControlListener& listener() { return *this; }
    void guest_ended(GuestEnd how, uint32_t status) override {
        check(how == GuestEnd::kReset && status == 0);
        ++resets_;
    }

    void step(uint8_t what) {
        switch (what % 8) {
            case 0:
                write(kCommand, next());
                break;
            case 1:
                write(kData, next());
                break;
            case 2:
                check((read(kCommand) & ~0x01) == 0x14);
                break;
            case 3:
                read(kData);
                break;
            case 4:
                press();
                break;
            case 5:
                interrupt_.drain();  // a driver that takes no notice
                if (what >= 0xf0) restore();
                break;
            case 6:
                wide_write(what >> 3, next());
                break;
            default:
                wide_read(what >> 3);
                break;
        }
    }

    void restore() {
        const I8042State state = i8042_->save();
        check(I8042::check(state, true).ok());
        i8042_.emplace(listener(), &interrupt_, state);
        check(i8042_->save() == state);
        i8042_->repeat_interrupt();
    }

    uint8_t read(uint16_t offset) {
        std::array<std::byte, 1> data{};
        i8042_->in(offset, data, 1);
        return static_cast<uint8_t>(data[0]);
    }

    void write(uint16_t offset, uint8_t value) {
        const size_t resets = resets_ + (offset == kCommand && value == 0xfe ? 1 : 0);
        i8042_->out(offset, std::array{static_cast<std::byte>(value)}, 1);
        check(resets_ == resets);
    }

    void wide_write(unsigned offset, uint8_t value) {
        std::array<std::byte, 8> data{};
        data.fill(static_cast<std::byte>(value));
        i8042_->out(static_cast<uint16_t>(offset % I8042::kPorts), data, 4);
    }

    void wide_read(unsigned offset) {
        std::array<std::byte, 8> data{};
        i8042_->in(static_cast<uint16_t>(offset % I8042::kPorts), data, 4);
    }

    // Once refused, always refused, until the guest reads. Strokes may be of the shorter kind, of
    // which a fifth fits beside longer ones only after some of their bytes have been read.
    void press() {
        if (i8042_->press_ctrl_alt_del().ok()) return;
        check(!i8042_->press_ctrl_alt_del().ok());
    }

    // Until no more fit.
    size_t press_all() {
        size_t strokes = 0;
        while (i8042_->press_ctrl_alt_del().ok()) check(++strokes <= kMostStrokes);
        return strokes;
    }

    size_t read_by_interrupts() {
        size_t bytes = 0;
        while (interrupt_.drain()) {
            if ((read(kCommand) & 1) == 0) continue;
            read(kData);
            check(++bytes <= 3 + kMostStrokes * kStroke);
        }
        return bytes;
    }

    void drain() {
        write(kCommand, 0x60);
        write(kData, 0x01);  // interrupts, no translation, and the keyboard may speak
        read_by_interrupts();
        check((read(kCommand) & 1) == 0);
        check(press_all() == kMostStrokes);
        check(read_by_interrupts() == kMostStrokes * kStroke);
        check(read(kData) == 0x14);  // the last key to be let go
    }

    static constexpr uint16_t kData = 0;
    static constexpr uint16_t kCommand = 4;
    static constexpr size_t kStroke = 11;  // of scan code set 2, the longer one
    static constexpr size_t kMostStrokes = 4;

    const uint8_t* data_;
    size_t size_;
    size_t at_ = 0;

    size_t resets_ = 0;
    EventFd interrupt_ = EventFd::create().value();
    std::optional<I8042> i8042_{std::in_place, listener(), &interrupt_};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Script(data, size).run();
    return 0;
}
