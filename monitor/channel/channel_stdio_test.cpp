// A program's stdin, stdout and stderr in a VM that is saved, and in one that is created from that.
#include "monitor/channel/channel_stdio.hpp"

#include <functional>

#include "monitor/channel/channel_fixture.hpp"
#include "monitor/console/stdin_fixture.hpp"
#include "monitor/memory/layout.hpp"

namespace {

using namespace channel_sides;

// A VM, as far as its channel is concerned; the guest's side.
class ChannelVm final : private ControlListener {
public:
    explicit ChannelVm(const ChannelStdioState& state = {})
        : stdio_(ChannelStdio::create(wiring_, GuestMemory(ram_), ports_, thread_.loop(), timeline_,
                                      *this, state)
                     .value()) {
        thread_.run();
    }
    ChannelVm(const ChannelVm&) = delete;
    ChannelVm& operator=(const ChannelVm&) = delete;
    ~ChannelVm() { thread_.stop(); }

    void say(const std::string& burst) {
        std::memcpy(&ram_[layout::kChannelBuffers.value], burst.data(), burst.size());
        const auto size = static_cast<uint32_t>(burst.size());
        ports_.out(layout::kChannelPort, std::as_bytes(std::span(&size, 1)), 4);
    }
    // What comes of stdin until there is so much, or its end.
    std::string fetch(size_t size) {
        std::string text;
        while (text.size() < size && !has_end_) {
            uint32_t bytes = 0;
            ports_.in(layout::kChannelPort, std::as_writable_bytes(std::span(&bytes, 1)), 4);
            guest_abi::FrameReader burst(&ram_[layout::kChannelBuffers.value + kBurstBytes], bytes);
            for (guest_abi::Frame frame{}; burst.next(frame);) {
                if (frame.type == FrameType::kStdin)
                    text.append(frame.payload, frame.payload + frame.size);
                has_end_ |= frame.type == FrameType::kStdinEnd;
            }
            std::this_thread::yield();
        }
        return text;
    }
    bool has_end() const { return has_end_; }
    ChannelStdioState save() const { return stdio_->save().channel.value(); }
    // Until the I/O thread has brought so much that this holds.
    ChannelStdioState save_when(const std::function<bool(const ChannelState&)>& holds) const {
        for (;;) {
            ChannelStdioState state = save();
            if (holds(state.channel)) return state;
            std::this_thread::yield();
        }
    }
    Stdio& stdio() const { return *stdio_; }
    const PortBus& ports() const { return ports_; }

private:
    void guest_ended(GuestEnd /*how*/, uint32_t /*status*/) override { ADD_FAILURE(); }

    std::vector<std::byte> ram_ =
        std::vector<std::byte>(layout::kChannelBuffers.value + 2 * kBurstBytes);
    Timeline timeline_;
    Wiring wiring_;
    PortBus ports_;
    IoThreadOfTest thread_;
    std::unique_ptr<ChannelStdio> stdio_;
    bool has_end_ = false;
};

std::string hello(uint32_t credit) {
    return ChannelSides::frame(FrameType::kHello, guest_abi::kVersion) +
           ChannelSides::frame(FrameType::kStdinCredit, credit);
}

TEST(ChannelStdioState, OfANewOneIsThatOfNone) {
    const StdinPipe input;
    const ChannelVm vm;
    EXPECT_EQ(vm.save(), ChannelStdioState{});
    EXPECT_FALSE(vm.stdio().save().serial.has_value());
}

TEST(ChannelStdioState, StdinThatTheGuestHasNotFetchedIsInIt) {
    ChannelStdioState state;
    {
        const StdinPipe input;
        ChannelVm vm;
        vm.say(hello(1000));
        input.type("first, ");
        state = vm.save_when([](const ChannelState& seen) { return !seen.input.empty(); });
        EXPECT_EQ(vm.fetch(7), "first, ");
        input.type("here");
        EXPECT_EQ(vm.fetch(4), "here");
    }
    const StdinPipe input;
    ChannelVm vm(state);
    input.type("then");
    EXPECT_EQ(vm.fetch(11), "first, then");
    vm.say(ChannelSides::frame(FrameType::kStdinCredit, 1U));
    EXPECT_EQ(vm.save().channel.input_credit, 1000U - 11 + 1);
}

TEST(ChannelStdioState, AProgramWhoseStdinHasEndedGetsNoMore) {
    ChannelStdioState due;
    ChannelStdioState said;
    {
        StdinPipe input;
        ChannelVm vm;
        vm.say(hello(1000));
        input.writer = UniqueFd();
        due =
            vm.save_when([](const ChannelState& seen) { return seen.input_end == InputEnd::kDue; });
        EXPECT_EQ(vm.fetch(1), "");
        EXPECT_TRUE(vm.has_end());
        said = vm.save();
    }
    const StdinPipe input;
    input.type("too late");
    {
        ChannelVm vm(due);
        EXPECT_EQ(vm.fetch(1), "");
        EXPECT_TRUE(vm.has_end());
    }
    const ChannelVm vm(said);
    EXPECT_EQ(vm.save(), said);
    std::array<char, 8> left{};
    EXPECT_EQ(::read(STDIN_FILENO, left.data(), left.size()), 8) << "nobody has taken it";
}

// Of all three ports: what the guest has set up is kept, and what is due is raised.
TEST(ChannelStdioState, BothSerialPortsAreInIt) {
    const StdinPipe input;
    ChannelVm vm;
    const auto set_scratch = [&](uint16_t port, uint8_t value) {
        vm.ports().out(port + 7, std::as_bytes(std::span(&value, 1)), 1);
    };
    set_scratch(layout::kSerialPort, 1);
    set_scratch(layout::kBellPort, 2);
    const ChannelStdioState state = vm.save();
    EXPECT_EQ(state.console.scratch, 1);
    EXPECT_EQ(state.bell.scratch, 2);
    const ChannelVm after(state);
    after.stdio().repeat_interrupts();
    EXPECT_EQ(after.save(), state);
}

TEST(ChannelStdioState, IsRefusedWhereNoneCanBeSo) {
    class Listener final : public ControlListener {
        void guest_ended(GuestEnd /*how*/, uint32_t /*status*/) override {}
    };
    const StdinPipe input;
    const auto refusal = [](const ChannelStdioState& state) {
        Timeline timeline;
        Wiring wiring;
        PortBus ports;
        Listener listener;
        std::vector<std::byte> ram(1 << 20);
        IoThreadOfTest thread;
        const auto stdio = ChannelStdio::create(wiring, GuestMemory(ram), ports, thread.loop(),
                                                timeline, listener, state);
        if (stdio.ok()) return std::string();
        return std::string(stdio.error().subject()) + ", " + stdio.error().what;
    };
    EXPECT_EQ(refusal({}), "");
    ChannelStdioState state;
    state.console.interrupt_enable = 0xff;
    EXPECT_EQ(refusal(state), "COM1, serial port: IER");
    state = {};
    state.bell.interrupt_enable = 0xff;
    EXPECT_EQ(refusal(state), "COM2, serial port: IER");
    state = {};
    state.channel.version = guest_abi::kVersion + 1;
    EXPECT_EQ(refusal(state), ", channel: version");
}

}  // namespace
