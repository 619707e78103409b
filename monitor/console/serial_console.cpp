#include "monitor/console/serial_console.hpp"

#include <poll.h>
#include <unistd.h>

#include "monitor/memory/layout.hpp"

namespace {

enum Slot : uint16_t { kInput, kOutput };

Result<> check(const SerialConsoleState& state) {
    if (state.input.size() > SerialConsoleState::kMostInputBytes)
        return Error{"serial console: bytes of input", 0, "are more than are read at once",
                     state.input.size()};
    return Serial::check(state.port);
}

}  // namespace

Result<std::unique_ptr<SerialConsole>> SerialConsole::create(
    Wiring& wiring, PortBus& ports, IoLoop& loop, EscapeKeys keys, UniqueFd output,
    const TokenBucketConfig& limit, Timeline& timeline, const SerialConsoleState& state) {
    TRY(check(state));
    Events events{TRY(EventFd::create()), TRY(EventFd::create()), TRY(EventFd::create()),
                  TRY(EventFd::create())};
    wiring.interrupt(events.interrupt, Gsi{layout::kSerialGsi});
    auto console = std::unique_ptr<SerialConsole>(
        new SerialConsole(std::move(events), TRY(HeldInput::create()), keys, std::move(output),
                          limit, timeline, state));
    TRY(ports.add(layout::kSerialPort, Serial::kPorts, console->serial_));
    TRY(console->join(loop));
    return console;
}

SerialConsole::SerialConsole(Events events, HeldInput held, EscapeKeys keys, UniqueFd output,
                             const TokenBucketConfig& limit, Timeline& timeline,
                             const SerialConsoleState& state)
    : events_(std::move(events)),
      output_fd_(std::move(output)),
      output_(output_fd_ ? output_fd_.get() : STDOUT_FILENO, events_.queued, timeline, limit),
      serial_(output_, events_.interrupt, events_.room, state.port),
      held_input_(std::move(held)),
      input_(STDIN_FILENO, keys, serial_, events_.quit, held_input_, state.input) {}

StdioState SerialConsole::save() const {
    return {.serial = input_.save(), .channel = {}};
}

void SerialConsole::attach_to(Metrics& metrics) const {
    metrics.attach(serial_.metrics());
    metrics.attach(output_.metrics());
}

Result<> SerialConsole::join(IoLoop& loop) {
    engine_ = &loop.engine();
    target_ = TRY(engine_->add_target(*this));
    // A descriptor that was closed has nothing to poll for.
    if (const auto file = engine_->add_file(input_.fd()); file.ok())
        input_file_ = file.value();
    else
        input_.on_readable();
    output_file_ = TRY(engine_->add_file(output_.fd()));
    TRY(loop.on_event(events_.room, [this] { input_.on_room(); }));
    TRY(held_input_.join(loop));
    TRY(loop.on_event(events_.queued, [] {}));  // work() sees that bytes wait
    loop.add(*this);
    return Ok{};
}

bool SerialConsole::work(uint64_t /*now_ns*/) {
    if (!polls_input_ && input_.wants_input()) {
        polls_input_ = true;
        engine_->poll(input_file_, POLLIN, {.target = target_, .slot = kInput});
    }
    if (!polls_output_ && output_.is_waiting()) {
        polls_output_ = true;
        engine_->poll(output_file_, POLLOUT, {.target = target_, .slot = kOutput});
    }
    return false;
}

void SerialConsole::complete(const IoCompletion& completion) {
    if (completion.tag.slot == kInput) {
        polls_input_ = false;
        input_.on_readable();
    } else {
        polls_output_ = false;
        output_.flush();
        serial_.transmit_ready();
    }
}
