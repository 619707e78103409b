#include "monitor/channel/channel_stdio.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/io_control.hpp"
#include "base/read_some.hpp"
#include "monitor/memory/layout.hpp"

namespace {

enum Slot : uint16_t { kInput, kOutput, kErrors };

Result<> check(const ChannelStdioState& state) {
    if (const Result<> fits = Serial::check(state.console); !fits.ok())
        return fits.error().about("COM1");
    if (const Result<> fits = Serial::check(state.bell); !fits.ok())
        return fits.error().about("COM2");
    return Channel::check(state.channel);
}

}  // namespace

Result<std::unique_ptr<ChannelStdio>> ChannelStdio::create(Wiring& wiring, GuestMemory memory,
                                                           PortBus& ports, IoLoop& loop,
                                                           Timeline& timeline,
                                                           ControlListener& listener,
                                                           const ChannelStdioState& state) {
    TRY(check(state));
    Events events{TRY(EventFd::create()), TRY(EventFd::create()), TRY(EventFd::create()),
                  TRY(EventFd::create()), TRY(EventFd::create())};
    wiring.interrupt(events.console_interrupt, Gsi{layout::kSerialGsi});
    wiring.interrupt(events.bell_interrupt, Gsi{layout::kBellGsi});
    auto stdio = std::unique_ptr<ChannelStdio>(new ChannelStdio(
        std::move(events), TRY(HeldInput::create()), memory, timeline, listener, state));
    TRY(ports.add(layout::kChannelPort, Channel::kPorts, stdio->channel_));
    TRY(ports.add(layout::kSerialPort, Serial::kPorts, stdio->console_));
    TRY(ports.add(layout::kBellPort, Serial::kPorts, stdio->bell_));
    TRY(stdio->join(loop));
    return stdio;
}

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): input_ is not touched before it is used.
ChannelStdio::ChannelStdio(Events events, HeldInput held, GuestMemory memory, Timeline& timeline,
                           ControlListener& listener, const ChannelStdioState& state)
    : events_(std::move(events)),
      console_(tail_, events_.console_interrupt, events_.room, state.console),
      bell_(no_sink_, events_.bell_interrupt, events_.room, state.bell),
      output_(STDOUT_FILENO, events_.queued, timeline),
      errors_(STDERR_FILENO, events_.queued, timeline),
      channel_(memory, layout::kChannelBuffers, bell_, output_, errors_, events_.wake, listener,
               state.channel),
      held_input_(std::move(held)),
      input_ended_(state.channel.input_end != InputEnd::kOpen) {
    const std::vector<std::byte>& input = state.channel.input;
    if (input.empty()) return;
    std::ranges::copy(input, input_.begin());
    channel_.offer_input(std::span(input_).first(input.size()));
}

StdioState ChannelStdio::save() const {
    return {.serial = {},
            .channel = ChannelStdioState{
                .console = console_.save(), .bell = bell_.save(), .channel = channel_.save()}};
}

void ChannelStdio::repeat_interrupts() {
    console_.repeat_interrupt();
    bell_.repeat_interrupt();
}

Result<> ChannelStdio::join(IoLoop& loop) {
    engine_ = &loop.engine();
    target_ = TRY(engine_->add_target(*this));
    // A descriptor that was closed has nothing to poll for.
    if (const auto file = engine_->add_file(STDIN_FILENO); file.ok()) {
        input_watch_.file = file.value();
    } else {
        end_input();
    }
    output_watch_.file = TRY(engine_->add_file(output_.fd()));
    errors_watch_.file = TRY(engine_->add_file(errors_.fd()));
    TRY(held_input_.join(loop));
    TRY(loop.on_event(events_.queued, [] {}));  // work() sees that bytes wait,
    TRY(loop.on_event(events_.wake, [] {}));    // and that the program will take some
    loop.add(*this);
    return Ok{};
}

bool ChannelStdio::work(uint64_t /*now_ns*/) {
    watch(input_watch_, !input_ended_ && !held_input_.is_held() && channel_.input_room() > 0,
          POLLIN, kInput);
    watch(output_watch_, output_.is_waiting(), POLLOUT, kOutput);
    watch(errors_watch_, errors_.is_waiting(), POLLOUT, kErrors);
    return false;
}

void ChannelStdio::watch(Watch& watch, bool wanted, uint32_t events, uint16_t slot) {
    if (!wanted || watch.is_set) return;
    watch.is_set = true;
    engine_->poll(watch.file, events, {.target = target_, .slot = slot});
}

void ChannelStdio::complete(const IoCompletion& completion) {
    switch (completion.tag.slot) {
        case kInput:
            input_watch_.is_set = false;
            read_input();
            break;
        case kOutput:
            output_watch_.is_set = false;
            output_.flush();
            channel_.output_moved();
            break;
        case kErrors:
            errors_watch_.is_set = false;
            errors_.flush();
            channel_.output_moved();
            break;
        default:
            break;
    }
}

void ChannelStdio::read_input() {
    const ssize_t count = read_some(STDIN_FILENO, std::span(input_).first(channel_.input_room()));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count < 0 && errno == EIO && held_input_.refuse()) return;
    held_input_.forget_refusals();
    if (count > 0) {
        channel_.offer_input(std::span(input_).first(static_cast<size_t>(count)));
        return;
    }
    end_input();  // or the terminal is gone, which is the same to the program
}

// Once: a program that was saved may have had its end.
void ChannelStdio::end_input() {
    if (std::exchange(input_ended_, true)) return;
    channel_.end_input();
}

SignalFate ChannelStdio::on_signal(int number) {
    return channel_.send_signal(number) ? SignalFate::kDelivered : SignalFate::kEndsVm;
}

void ChannelStdio::on_window_change() {
    winsize size{};
    if (io_control(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        channel_.set_window(size.ws_row, size.ws_col);
}

void ChannelStdio::drain(int abandon, const DrainLimit& limit) {
    output_.drain(abandon, limit);
    errors_.drain(abandon, limit);
}

uint64_t ChannelStdio::dropped_bytes() const {
    uint64_t bytes = 0;
    for (const ConsoleOutput* const output : {&output_, &errors_})
        if (output->error() != EPIPE) bytes += output->dropped_bytes();
    return bytes;
}

int ChannelStdio::output_error() const {
    for (const ConsoleOutput* const output : {&output_, &errors_})
        if (output->error() != 0 && output->error() != EPIPE) return output->error();
    return 0;
}
