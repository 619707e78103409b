// The serial line from end to end: the 16550A, the process's stdin and stdout, and the events that
// join the threads on both sides. Owned by the machine; its part of the I/O thread's work is the
// IoWorker.
#pragma once

#include <cerrno>
#include <memory>

#include "base/event_fd.hpp"
#include "base/io_loop.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/console/input.hpp"
#include "monitor/console/output.hpp"
#include "monitor/console/stdio.hpp"
#include "monitor/kvm/wiring.hpp"
#include "monitor/metrics/timeline.hpp"
#include "monitor/ports/bus.hpp"
#include "monitor/ports/serial.hpp"

class SerialConsole final : public Stdio, public IoWorker, private IoTarget {
public:
    // Adds the port to `ports` and its interrupt to `wiring`, and joins `loop`, which outlives it.
    // Its output goes to `output`, or to stdout if that is none, as far as `limit` (of bytes)
    // allows; the rest is dropped. `state`: as the guest finds it. Errors: EMFILE; as
    // IoLoop::on_event(); a field of `state` that no console can have so.
    static Result<std::unique_ptr<SerialConsole>> create(
        Wiring& wiring, PortBus& ports, IoLoop& loop, EscapeKeys keys, UniqueFd output,
        const TokenBucketConfig& limit, Timeline& timeline, const SerialConsoleState& state = {});

    // Stdio. The keys are Ctrl-A x.
    int quit_fd() const override { return events_.quit.fd(); }
    const HeldInput& held_input() const override { return held_input_; }
    SignalFate on_signal(int /*number*/) override { return SignalFate::kEndsVm; }
    void on_window_change() override {}
    void drain(int abandon, const DrainLimit& limit) override { output_.drain(abandon, limit); }
    void attach_to(Metrics& metrics) const override;
    uint64_t dropped_bytes() const override { return output_.dropped_bytes(); }
    int output_error() const override { return output_.error() == EPIPE ? 0 : output_.error(); }
    uint64_t passed_over_frames() const override { return 0; }
    std::string last_words() const override { return {}; }
    StdioState save() const override;
    void repeat_interrupts() override { serial_.repeat_interrupt(); }

    // IoWorker: polls stdin while the guest has room, stdout while bytes wait for it.
    bool work(uint64_t now_ns) override;

private:
    struct Events {
        EventFd interrupt;  // Serial -> KVM
        EventFd room;       // Serial -> I/O thread
        EventFd queued;     // ConsoleOutput -> I/O thread
        EventFd quit;       // ConsoleInput -> main
    };
    SerialConsole(Events events, HeldInput held, EscapeKeys keys, UniqueFd output,
                  const TokenBucketConfig& limit, Timeline& timeline,
                  const SerialConsoleState& state);

    Result<> join(IoLoop& loop);
    void complete(const IoCompletion& completion) override;

    // In order of dependence: each refers to those above it.
    Events events_;
    UniqueFd output_fd_;  // none: it is stdout
    ConsoleOutput output_;
    Serial serial_;
    HeldInput held_input_;
    ConsoleInput input_;

    IoEngine* engine_ = nullptr;
    IoFile input_file_{};
    IoFile output_file_{};
    uint16_t target_ = 0;
    bool polls_input_ = false;
    bool polls_output_ = false;
};
