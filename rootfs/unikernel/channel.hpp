// The guest's end of the channel (docs/channel.md), for one processor that polls: it
// never answers the bell, and looks for credit or input when it needs some.
#pragma once

#include <cstdint>

#include "abi/channel.hpp"
#include "rootfs/unikernel/view.hpp"

class Channel {
public:
    // Says `version` to the monitor, and nothing if it is 0. False where the machine has no
    // channel.
    bool open(uint32_t version);

    // Where a payload for stdout is put together.
    View<char> payload() const;
    // Sends the first `bytes` of it, as soon as there is credit for them. False: nobody takes them.
    bool send(uint64_t bytes);
    // The same for a short text to stderr.
    void complain(StringView text) const;

    // What has come from stdin and was not yet returned, valid until the next call; empty at its
    // end.
    StringView receive();

private:
    void transmit(guest_abi::FrameType type, uint64_t bytes) const;
    // One IN: takes credit, and keeps input.
    void fetch();
    void take(const guest_abi::Frame& frame);
    void keep_input(const guest_abi::Frame& frame);
    void grant_input();

    uint64_t buffers_ = 0;
    uint64_t credit_ = guest_abi::kInitialCredit;
    // Input in free memory: [returned_, kept_) of a buffer as large as a burst is still to be
    // returned. Credit is given only for what the buffer has room for.
    uint64_t returned_ = 0;
    uint64_t kept_ = 0;
    uint64_t input_credit_ = 0;
    bool input_ended_ = false;
    bool output_is_gone_ = false;
};
