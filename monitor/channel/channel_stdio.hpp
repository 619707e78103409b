// stdin, stdout and stderr as a program in the guest has them: the channel, the second serial port
// that is its bell, and the first one, whose output nobody sees. The machine owns it; its part of
// the I/O thread's work is the IoWorker.
#pragma once

#include <array>
#include <memory>

#include "base/event_fd.hpp"
#include "base/io_loop.hpp"
#include "base/result.hpp"
#include "monitor/channel/channel.hpp"
#include "monitor/console/held_input.hpp"
#include "monitor/console/output.hpp"
#include "monitor/console/stdio.hpp"
#include "monitor/console/tail.hpp"
#include "monitor/kvm/wiring.hpp"
#include "monitor/metrics/timeline.hpp"
#include "monitor/ports/bus.hpp"
#include "monitor/ports/serial.hpp"

class ChannelStdio final : public Stdio, public IoWorker, private IoTarget {
public:
    // Adds the ports to `ports` and their interrupts to `wiring`, and joins `loop`. It and
    // `listener`, which learns of a guest of another version, outlive it. `state`: as the guest
    // finds it. Errors: EMFILE; as IoLoop::on_event(); a field of `state` that cannot be so.
    static Result<std::unique_ptr<ChannelStdio>> create(Wiring& wiring, GuestMemory memory,
                                                        PortBus& ports, IoLoop& loop,
                                                        Timeline& timeline,
                                                        ControlListener& listener,
                                                        const ChannelStdioState& state = {});

    // Stdio
    int quit_fd() const override { return -1; }
    const HeldInput& held_input() const override { return held_input_; }
    // A signal that the guest has not fetched when it comes again ends the VM.
    SignalFate on_signal(int number) override;
    void on_window_change() override;
    void drain(int abandon, const DrainLimit& limit) override;
    void attach_to(Metrics& metrics) const override { metrics.attach(output_.metrics()); }
    uint64_t dropped_bytes() const override;
    int output_error() const override;
    uint64_t passed_over_frames() const override { return channel_.passed_over_frames(); }
    std::string last_words() const override { return tail_.text(); }
    StdioState save() const override;
    void repeat_interrupts() override;

    // IoWorker: reads stdin while the program will take it, writes what stdout and stderr did not
    // take at once.
    bool work(uint64_t now_ns) override;

private:
    struct Events {
        EventFd console_interrupt;  // Serial -> KVM
        EventFd bell_interrupt;     // Serial -> KVM
        EventFd room;               // that of the serial ports: nobody waits for it
        EventFd queued;             // ConsoleOutput -> I/O thread
        EventFd wake;               // Channel -> I/O thread
    };
    // A poll that is in flight or not.
    struct Watch {
        IoFile file{};
        bool is_set = false;
    };
    // What the guest sends through the second serial port goes nowhere.
    class NoSink final : public SerialSink {
    public:
        void transmit(std::span<const std::byte> /*bytes*/) override {}
        bool has_room() const override { return true; }
    };

    ChannelStdio(Events events, HeldInput held, GuestMemory memory, Timeline& timeline,
                 ControlListener& listener, const ChannelStdioState& state);

    Result<> join(IoLoop& loop);
    void watch(Watch& watch, bool wanted, uint32_t events, uint16_t slot);
    void complete(const IoCompletion& completion) override;
    void read_input();
    void end_input();

    // In order of dependence: each refers to those above it.
    Events events_;
    ConsoleTail tail_;
    NoSink no_sink_;
    Serial console_;
    Serial bell_;
    ConsoleOutput output_;
    ConsoleOutput errors_;
    Channel channel_;

    IoEngine* engine_ = nullptr;
    uint16_t target_ = 0;
    Watch input_watch_;
    Watch output_watch_;
    Watch errors_watch_;
    HeldInput held_input_;
    bool input_ended_;
    std::array<std::byte, guest_abi::kBurstBytes> input_;  // touched only when used
};
