// The monitor's end of the channel: carries the program's stdin, stdout and stderr, signals and
// window sizes, apart from the console (docs/channel.md).
//
// A port device. The guest's OUT hands over a burst that lies in the transmit buffer; its IN
// fetches what there is for it into the receive buffer. Both are done when the access returns, so
// the buffers need no state shared with the guest. What waits for the guest is a few numbers and
// one view of stdin's bytes: nothing here grows with what anybody sends.
//
// A burst may have 8,192 frames. What they cause is done once for all of them: one wake-up, and one
// write for frames of one output that follow each other.
//
// Whoever makes something wait rings the second serial port's bell once; the next IN unrings it.
// A guest says first of which version it is (abi/version.hpp). One of another version, and one that
// says something else first, ends there: it would misunderstand what follows, or wait for it.
//
// vCPU threads access the ports, the I/O thread brings stdin and takes output further, main sends
// signals; one mutex. Its holder may take those of the bell and of the outputs, and tell the
// listener.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "abi/channel.hpp"
#include "abi/machine.hpp"
#include "base/event_fd.hpp"
#include "monitor/console/output.hpp"
#include "monitor/console/stdio_state.hpp"
#include "monitor/ports/bus.hpp"
#include "monitor/ports/control.hpp"
#include "monitor/ports/serial.hpp"
#include "virtio/guest_memory.hpp"

class Channel final : public PortDevice {
public:
    static constexpr uint16_t kPorts = guest_abi::kChannelPorts;
    // Registers: see abi/machine.hpp.
    static constexpr uint16_t kBurst = 0;
    static constexpr uint16_t kBuffers = guest_abi::kChannelBuffersPort - guest_abi::kChannelPort;

    // `buffers`: two times guest_abi::kBurstBytes of RAM that no guest takes for its own. `wake` is
    // signalled when the guest has taken stdin or said that it will take more. All outlive the
    // channel. `state`: as the guest finds it, but for its `input`, whose bytes are the caller's to
    // keep and to offer: input_room() says so many. Precondition: check(state).ok().
    Channel(GuestMemory memory, GuestAddress buffers, Serial& bell, ConsoleOutput& output,
            ConsoleOutput& errors, const EventFd& wake, ControlListener& listener,
            const ChannelState& state = {});

    // Whether a channel can be in such a state, and this Mayfly serve its guest. Errors: the field
    // that forbids it.
    static Result<> check(const ChannelState& state);
    // Any thread; between accesses of vCPUs, for a snapshot. Precondition: the guest was not
    // refused. What still waits in the outputs counts as gone: there is none in a restored VM.
    ChannelState save() const;

    void in(uint16_t offset, std::span<std::byte> data, unsigned width) override;
    void out(uint16_t offset, std::span<const std::byte> data, unsigned width) override;

    // Frames of a type or a stream that is none of the guest's, since the start.
    uint64_t passed_over_frames() const;

    // --- I/O thread: stdin and outputs of the first program -------------------------------------

    // How many bytes of stdin the guest will take now; 0 while earlier ones wait.
    size_t input_room() const;
    // At most input_room() bytes. They stay where they are until input_room() is no longer 0.
    void offer_input(std::span<const std::byte> bytes);
    void end_input();
    // The outputs' readers have taken bytes.
    void output_moved();

    // --- Main: the first program's, too ---------------------------------------------------------

    // False if the guest has not yet fetched an earlier signal of that number, which it may never
    // do, or a vCPU waits for a reader for so long that main would.
    bool send_signal(int number);
    // Is left out where that would have to wait.
    void set_window(uint16_t rows, uint16_t columns);

private:
    // An output on its way out, and the account of the guest's credit.
    struct Outlet {
        ConsoleOutput& sink;
        guest_abi::FrameType credit_type{};
        guest_abi::FrameType gone_type{};
        uint64_t received = 0;
        uint64_t credited = 0;
        bool is_gone = false;  // and the guest knows

        ChannelState::Output save() const {
            return {.owed = received - credited, .is_said_gone = is_gone};
        }

        // To be told: a write has failed, and the next would.
        bool has_gone() const { return !is_gone && sink.error() != 0; }
        // Bytes that have left, and for which the guest has not yet been given credit.
        uint32_t owed() const {
            return static_cast<uint32_t>(received - sink.waiting_bytes() - credited);
        }
    };

    // What goes both ways for one program: a stream of frames.
    struct Program {
        const uint16_t stream;
        Outlet output;
        Outlet errors;
        uint64_t input_credit = 0;
        std::span<const std::byte> input{};  // offered, and not yet fetched
        InputEnd input_end = InputEnd::kOpen;
        uint64_t signals = 0;  // bit n: signal n
        std::optional<uint32_t> window{};
    };

    enum class Agreement : uint8_t { kNone, kReached, kRefused };

    // For main, which the time limit and signals depend on. Without the lock after a second.
    std::unique_lock<std::mutex> lock_in_time();

    // All below are called with mutex_ held.
    void receive(size_t size);
    void take(const guest_abi::Frame& frame);
    void gather(Outlet& outlet, const guest_abi::Frame& frame);
    void transmit_gathered();
    void take_version(const guest_abi::Frame& frame);
    // nullptr: there is no such stream.
    Program* program_of(uint16_t stream);
    uint32_t send();
    bool has_something_to_send() const;
    void ring_if_needed();

    const GuestMemory memory_;
    const GuestAddress buffers_;
    Serial& bell_;
    const EventFd& wake_;
    ControlListener& listener_;
    const std::unique_ptr<std::byte[]> burst_;  // a copy of the guest's, touched only when used

    mutable std::mutex mutex_;  // guards what follows
    // Of the burst that is being taken apart: what its latest frames, all of one output, have
    // brought, and whether the I/O thread is to look at the guest's credit.
    Outlet* gathering_ = nullptr;
    std::span<std::byte> gathered_{};
    bool has_more_credit_ = false;
    Agreement agreement_ = Agreement::kNone;
    uint64_t passed_over_ = 0;
    Program first_;
    bool has_rung_ = false;
};
