// Carries bytes, signals and window sizes between the program and the channel until the program has
// ended; and reaps whatever its descendants leave behind, as process 1 must.
//
// Flow control is by credit in both directions: no side sends more than the other has said it will
// take, so a reader that stands still costs neither memory nor the other streams.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "rootfs/init/channel.hpp"
#include "rootfs/init/program.hpp"

class Relay {
public:
    // Both outlive the relay. `child_events`: a signalfd of SIGCHLD.
    Relay(const Channel& channel, const Program& program, int child_events);

    // Returns the program's status: its own, or 128 and the number of the signal that ended it.
    int run();
    // Takes what the monitor has for the program. For run(), and for the tests.
    void receive();

private:
    static constexpr size_t kInputBytes = 64 << 10;

    // One stream of the program's on its way out.
    struct Outlet {
        int fd = -1;
        FrameType type{};
        uint32_t credit = guest_abi::kInitialCredit;

        bool is_ready() const { return fd >= 0 && credit > 0; }
    };

    void wait();
    void take(const Frame& frame);
    void take_input(const Frame& frame);
    void write_input();
    void close_input();
    void close_output(Outlet& outlet);
    // One read's worth; false when there is nothing to read now.
    bool send_output(Outlet& outlet);
    void send_what_is_left(Outlet& outlet);
    void deliver_signal(int number) const;
    void set_window(uint32_t rows_and_columns) const;
    void reap();

    const Channel& channel_;
    const Program& program_;
    int child_events_;
    int input_fd_;
    Outlet output_;
    Outlet errors_;

    std::array<std::byte, kInputBytes> input_;  // a ring
    size_t input_start_ = 0;
    size_t input_size_ = 0;
    uint32_t input_taken_ = 0;  // since the monitor was last given credit
    bool input_ended_ = false;

    bool has_ended_ = false;
    int status_ = 0;
};
