// The serial line's way in: stdin to the guest, with nothing lost when the guest reads slowly, and
// the escape keys of a terminal: Ctrl-A x ends the VM, Ctrl-A h helps, Ctrl-A Ctrl-A (or a) sends
// Ctrl-A. A stdin that is no terminal passes every byte unchanged. I/O thread.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <span>

#include "base/event_fd.hpp"
#include "monitor/console/held_input.hpp"
#include "monitor/console/stdio_state.hpp"
#include "monitor/ports/serial.hpp"

enum class EscapeKeys { kEnabled, kDisabled };

class ConsoleInput {
public:
    // All outlive the object. `quit` is signalled by Ctrl-A x.
    // `waiting` comes before what is read: at most SerialConsoleState::kMostInputBytes.
    ConsoleInput(int fd, EscapeKeys keys, Serial& serial, const EventFd& quit, HeldInput& held,
                 std::span<const std::byte> waiting = {});

    // What the port has, and what waits for room in it, as of one moment. Any thread; between
    // accesses of vCPUs, for a snapshot.
    SerialConsoleState save() const;

    int fd() const { return fd_; }

    // False while bytes that were read wait for the guest, while the terminal is another job's, and
    // after the end of the input.
    bool wants_input() const { return waiting_.empty() && !held_.is_held() && !ended_; }

    // fd() is readable.
    void on_readable();

    // The serial line's queue has room again.
    void on_room();

private:
    // Takes the escape keys out of the `size` bytes in buffer_; returns how many are left.
    size_t take_escape_keys(size_t size);
    // With the mutex held.
    void deliver();

    int fd_;
    EscapeKeys keys_;
    Serial& serial_;
    const EventFd& quit_;
    HeldInput& held_;
    bool ended_ = false;
    bool after_escape_ = false;
    // Not cleared, so that it is not touched before it is used.
    std::array<std::byte, SerialConsoleState::kMostInputBytes> buffer_;
    // Held while bytes go from here to the port; what follows is written by the I/O thread.
    mutable std::mutex mutex_;
    std::span<const std::byte> waiting_;  // in buffer_: read, and not yet taken by the guest
};
