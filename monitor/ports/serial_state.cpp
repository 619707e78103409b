// A port that goes on from a state, and the way there.
#include <algorithm>

#include "monitor/ports/serial.hpp"
#include "monitor/ports/serial_registers.hpp"

using namespace serial_registers;

namespace {

struct Register {
    const char* name;
    uint8_t value;
    uint8_t bits;  // those that there are
};

// The FIFO and the queue behind it: Serial relies on all of this.
Result<> check_bytes(const SerialState& state) {
    const size_t depth = state.fifo_enabled ? SerialState::kFifoBytes : 1;
    if (state.loopback.size() > depth)
        return Error{"serial port: bytes of loopback", 0, "are more than the FIFO holds",
                     state.loopback.size()};
    if (state.queue.size() > SerialState::kQueueBytes)
        return Error{"serial port: bytes of input", 0, "are more than the queue holds",
                     state.queue.size()};
    const bool is_cut_off = (state.modem_control & MCR_LOOP) != 0;
    const size_t most = is_cut_off ? 0 : depth - state.loopback.size();
    if (state.arrived > std::min(most, state.queue.size()))
        return Error{"serial port: bytes that have arrived", 0,
                     "are more than the queue has, or than the FIFO has room for", state.arrived};
    return Ok{};
}

}  // namespace

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): see queue_.
Serial::Serial(SerialSink& sink, const EventFd& interrupt, const EventFd& room,
               const SerialState& state)
    : sink_(sink),
      interrupt_(interrupt),
      room_(room),
      ier_(state.interrupt_enable),
      lcr_(state.line_control),
      mcr_(state.modem_control),
      scr_(state.scratch),
      msr_delta_(state.modem_status_changes),
      divisor_(state.divisor),
      fifo_enabled_(state.fifo_enabled),
      trigger_(state.trigger_bytes),
      overrun_(state.overrun),
      thre_pending_(state.transmitter_emptied),
      loop_count_(state.loopback.size()),
      window_(state.arrived),
      queued_(state.queue.size()) {
    std::ranges::copy(state.loopback, loop_.begin());
    std::ranges::copy(state.queue, queue_.begin());
}

Result<> Serial::check(const SerialState& state) {
    const auto registers = std::to_array<Register>({
        {"serial port: IER", state.interrupt_enable, IER_MASK},
        {"serial port: MCR", state.modem_control, MCR_MASK},
        {"serial port: changes in MSR", state.modem_status_changes, kDeltaMask},
    });
    for (const Register& it : registers)
        if ((it.value & ~it.bits) != 0)
            return Error{it.name, 0, "has bits that a 16550A has not", it.value};
    const bool is_level =
        state.fifo_enabled
            ? std::ranges::find(kTriggerBytes, state.trigger_bytes) != kTriggerBytes.end()
            : state.trigger_bytes == 1;
    if (!is_level)
        return Error{"serial port: trigger level", 0, "is none that a 16550A has",
                     state.trigger_bytes};
    return check_bytes(state);
}

SerialState Serial::save() const {
    const std::lock_guard lock(mutex_);
    SerialState state{
        .interrupt_enable = ier_,
        .line_control = lcr_,
        .modem_control = mcr_,
        .scratch = scr_,
        .modem_status_changes = msr_delta_,
        .divisor = divisor_,
        .fifo_enabled = fifo_enabled_,
        .trigger_bytes = trigger_,
        .overrun = overrun_,
        .transmitter_emptied = thre_pending_ || thre_withheld_,
        .loopback = {},
        .queue = {},
        .arrived = static_cast<uint16_t>(window_),
    };
    const auto loopback = std::span(loop_).first(loop_count_);
    state.loopback.assign(loopback.begin(), loopback.end());
    state.queue.reserve(queued_);
    for (size_t i = 0; i < queued_; ++i) state.queue.push_back(queue_[(head_ + i) % kQueueBytes]);
    return state;
}

void Serial::repeat_interrupt() {
    const std::lock_guard lock(mutex_);
    signalled_ = 0;
    update_interrupt(false);
}
