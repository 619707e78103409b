// Where stdin and stdout of `mayfly run` lead: to the guest's serial line, or by the channel to a
// program in it. Owned by the machine; used by main.
#pragma once

#include <cstdint>
#include <string>

#include "base/pinned.hpp"
#include "monitor/console/drain_limit.hpp"
#include "monitor/console/held_input.hpp"
#include "monitor/console/stdio_state.hpp"
#include "monitor/metrics/metrics.hpp"

enum class SignalFate {
    kEndsVm,     // whoever sent it means the VM
    kDelivered,  // the program in the guest gets it
};

class Stdio : private Pinned {
public:
    virtual ~Stdio() = default;

    // Readable once the user has asked for the end by keys; -1 where no keys do.
    virtual int quit_fd() const = 0;

    // Of stdin, where that is a terminal of several jobs.
    virtual const HeldInput& held_input() const = 0;

    // `number` has come to this process.
    virtual SignalFate on_signal(int number) = 0;
    // The user's terminal has another size.
    virtual void on_window_change() = 0;

    // Writes what still waits for the reader, as ConsoleOutput::drain(). After vCPUs and I/O thread
    // have ended, as the next two.
    virtual void drain(int abandon, const DrainLimit& limit) = 0;
    // What it counts is among `metrics` from now on.
    virtual void attach_to(Metrics& metrics) const = 0;

    // For a snapshot: any thread, while no vCPU accesses a port; the I/O thread may go on. What it
    // brings afterwards is not in the state and reaches the guest here. Precondition: the guest has
    // not ended itself.
    virtual StdioState save() const = 0;
    // In a VM that was created from a state, once its vCPUs and interrupt controller have theirs
    // and before a vCPU runs: raises each interrupt for which there is a cause. Where it is called
    // for nothing it costs the guest one that it finds no cause for. Any thread.
    virtual void repeat_interrupts() = 0;

    // Bytes that were lost, save those of a program that knows it.
    virtual uint64_t dropped_bytes() const = 0;
    // Why a write of output failed, an errno, but for EPIPE: the reader is gone. 0: none did.
    virtual int output_error() const = 0;
    // Frames of the channel's that meant nothing to the monitor.
    virtual uint64_t passed_over_frames() const = 0;
    // The end of what the guest wrote to a console that nobody sees; empty where stdout is the
    // console.
    virtual std::string last_words() const = 0;
};
