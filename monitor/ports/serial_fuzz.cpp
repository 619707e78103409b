// The bytes are a script of register accesses, arriving input and a sink that fills and empties.
// Whatever a guest does, far-end bytes leave RBR in the order in which they came, each exactly
// once; the FIFO holds no more than it may; and a driver that is called by edges alone gets
// everything that is left. So it is if the port is saved meanwhile, and another goes on from there.
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "monitor/ports/serial.hpp"

namespace {

enum : uint16_t { RBR = 0, THR = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6 };

void check(bool holds) {
    if (!holds) __builtin_trap();
}

uint8_t stream_byte(size_t at) {
    return static_cast<uint8_t>(at * 31 + (at >> 8) * 7 + (at >> 16));
}

class Sink final : public SerialSink {
public:
    void transmit(std::span<const std::byte> bytes) override { transmitted += bytes.size(); }
    bool has_room() const override { return room; }

    size_t transmitted = 0;
    bool room = true;
};

class Script {
public:
    Script(const uint8_t* data, size_t size) : data_(data), size_(size) {}

    void run() {
        while (at_ < size_) step(next());
        drain();
    }

private:
    uint8_t next() { return at_ < size_ ? data_[at_++] : uint8_t{0}; }

    void step(uint8_t what) {
        const auto offset = static_cast<uint16_t>(what & 0x0f);
        switch (what >> 4) {
            case 0:
            case 1:
            case 2:
                write(offset % 8, next());
                break;
            case 3:
            case 4:
                read(offset % 8);
                break;
            case 5:
                receive(size_t{next()} * offset * 4);
                break;
            case 6:
                sink_.room = !sink_.room;
                break;
            case 7:
                serial_->transmit_ready();
                break;
            case 8:
                for (unsigned i = next(); i > 0; --i) read(RBR);
                break;
            case 9:
                measure_fifo();
                break;
            case 10:
                string_out(next());
                break;
            case 11:
                wide_access(offset, next());
                break;
            case 15:
                restore();
                break;
            default:
                write(IER, what & 0x0f);
                break;
        }
    }

    void restore() {
        const SerialState state = serial_->save();
        check(Serial::check(state).ok());
        sink_.room = true;  // another sink
        serial_.emplace(sink_, interrupt_, room_, state);
        check(serial_->save() == state);
        serial_->repeat_interrupt();
    }

    uint8_t raw_in(uint16_t offset) {
        std::array<std::byte, 1> data{};
        serial_->in(offset, data, 1);
        return static_cast<uint8_t>(data[0]);
    }

    bool latch() const { return (lcr_ & 0x80) != 0; }
    bool loop() const { return (mcr_ & 0x10) != 0; }

    // What the guest's writes mean for the bytes of the loop, of which some are lost by design.
    void model_write(unsigned offset, uint8_t value) {
        const size_t depth = fifo_ ? 16 : 1;
        if (offset == THR && !latch() && loop()) {
            if (loop_.size() == depth && !fifo_) loop_.pop_back();
            if (loop_.size() < depth) loop_.push_back(value);
        }
        if (offset == THR && !latch() && !loop()) ++expected_transmitted_;
        if (offset == FCR) {
            const bool enable = (value & 1) != 0;
            if (enable != fifo_ || (enable && (value & 2))) loop_.clear();
            fifo_ = enable;
        }
        if (offset == LCR) lcr_ = value;
        if (offset == MCR) mcr_ = value & 0x1f;
    }

    void write(uint16_t offset, uint8_t value) {
        model_write(offset, value);
        serial_->out(offset, std::array{static_cast<std::byte>(value)}, 1);
        check(sink_.transmitted == expected_transmitted_);
    }

    // Accounts for one read of RBR: `before` is the queue's room ahead of it.
    void model_rbr(uint8_t value, size_t before) {
        const size_t consumed = serial_->receive_room() - before;
        if (!loop_.empty()) {
            check(consumed == 0 && value == loop_.front());
            loop_.pop_front();
            return;
        }
        check(consumed <= 1 && !(loop() && consumed > 0));
        check(value == (consumed == 1 ? stream_byte(read_) : 0));
        read_ += consumed;
    }

    uint8_t read(uint16_t offset) {
        const size_t before = serial_->receive_room();
        const uint8_t value = raw_in(offset);
        if (offset == RBR && !latch()) {
            model_rbr(value, before);
        } else {
            check(serial_->receive_room() == before);
        }
        return value;
    }

    void receive(size_t count) {
        std::vector<std::byte> bytes(count);
        for (size_t i = 0; i < count; ++i)
            bytes[i] = static_cast<std::byte>(stream_byte(received_ + i));
        const size_t room = serial_->receive_room();
        const size_t taken = serial_->receive(bytes);
        check(taken == (count < room ? count : room));
        received_ += taken;
        check(received_ - read_ == Serial::kQueueBytes - serial_->receive_room());
    }

    // With nothing more let in, DR must fall after as many bytes as a FIFO holds, and not before
    // a byte that it announces has been read.
    void measure_fifo() {
        write(LCR, 3);
        write(IER, 0);
        write(MCR, mcr_ & ~0x02U & 0xff);
        size_t level = 0;
        for (; raw_in(LSR) & 1; ++level) {
            const size_t in_loop = loop_.size();
            const size_t read_before = read_;
            read(RBR);
            check(loop_.size() < in_loop || read_ > read_before);
            check(level < (fifo_ ? 16U : 1U));
        }
        check(loop_.empty());
    }

    void string_out(size_t count) {
        std::vector<std::byte> bytes(count);
        for (size_t i = 0; i < count; ++i) {
            bytes[i] = static_cast<std::byte>(i);
            model_write(THR, static_cast<uint8_t>(i));
        }
        if (count > 0) serial_->out(THR, bytes, 1);
        check(sink_.transmitted == expected_transmitted_);
    }

    // Several registers at once, past the last one too. RBR alone is read byte by byte, so that
    // each read can be accounted for.
    void wide_access(uint16_t offset, uint8_t value) {
        const unsigned width = value & 1 ? 2 : 4;
        std::array<std::byte, 8> data{};
        data.fill(static_cast<std::byte>(value));
        if (value & 2) {
            for (unsigned i = 0; i < data.size(); ++i) model_write(offset + i % width, value);
            serial_->out(offset, data, width);
            check(sink_.transmitted == expected_transmitted_);
        } else if (offset != RBR) {
            serial_->in(offset, data, width);
        }
    }

    // A driver that runs only when there is an edge, and stays while IIR names a cause. `steps`
    // bounds it: one cause may take one FIFO's worth of bytes or one acknowledgement.
    void handle_interrupts() {
        while (interrupt_.drain()) {
            size_t steps = 0;
            for (;;) {
                const uint8_t iir = read(IIR);
                if (iir & 1) break;
                check(++steps < 3 * Serial::kQueueBytes);
                if ((iir & 0x0e) == 0x06) read(LSR);
                // Byte by byte, with IIR asked each time: the laziest of drivers.
                if ((iir & 0x0e) == 0x04 || (iir & 0x0e) == 0x0c) read(RBR);
                if ((iir & 0x0e) == 0x00) read(MSR);
            }
        }
    }

    void drain() {
        write(LCR, 3);
        write(MCR, 0);
        write(IER, 0);
        interrupt_.drain();  // the driver starts with whatever edge there was lost
        room_.drain();
        write(FCR, next() | 1);
        write(IER, 0x0f);
        handle_interrupts();
        check(read_ == received_ && loop_.empty());
        check(raw_in(IIR) & 1 && !(raw_in(LSR) & 1));

        // Output: the transmitter interrupts when it is enabled, and when it was withheld.
        sink_.room = true;
        write(IER, 0);
        write(IER, 0x0f);
        check((read(IIR) & 0x0f) == 0x02);
        sink_.room = false;
        write(THR, 0);
        handle_interrupts();
        sink_.room = true;
        serial_->transmit_ready();
        check((raw_in(IIR) & 0x0f) == 0x02);

        // Refused bytes are asked for, even with the edge of the last refusal lost above. A string
        // input takes them all in one access.
        receive(Serial::kQueueBytes + 1);
        check((raw_in(LSR) & 1) != 0);
        std::vector<std::byte> everything(Serial::kQueueBytes);
        serial_->in(RBR, everything, 1);
        for (const std::byte byte : everything)
            check(byte == static_cast<std::byte>(stream_byte(read_++)));
        check(read_ == received_ && room_.drain());
    }

    const uint8_t* data_;
    size_t size_;
    size_t at_ = 0;

    Sink sink_;
    EventFd interrupt_ = EventFd::create().value();
    EventFd room_ = EventFd::create().value();
    std::optional<Serial> serial_{std::in_place, sink_, interrupt_, room_};

    std::deque<uint8_t> loop_;
    uint8_t lcr_ = 0;
    uint8_t mcr_ = 0;
    bool fifo_ = false;
    size_t received_ = 0;  // far-end bytes taken by receive()
    size_t read_ = 0;      // and read from RBR
    size_t expected_transmitted_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Script(data, size).run();
    return 0;
}
