// A serial console in a VM that is saved, and in one that is created from that.
#include "monitor/console/serial_console.hpp"

#include <functional>
#include <string>

#include "monitor/console/stdin_fixture.hpp"
#include "monitor/memory/layout.hpp"

namespace {

constexpr uint16_t kRbr = layout::kSerialPort;
constexpr uint16_t kMcr = layout::kSerialPort + 4;
constexpr uint16_t kLsr = layout::kSerialPort + 5;

// A VM, as far as its console is concerned.
class ConsoleVm {
public:
    explicit ConsoleVm(const SerialConsoleState& state = {})
        : console_(SerialConsole::create(wiring_, ports_, thread_.loop(), EscapeKeys::kDisabled,
                                         UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC)), {},
                                         timeline_, state)
                       .value()) {
        thread_.run();
    }
    ConsoleVm(const ConsoleVm&) = delete;
    ConsoleVm& operator=(const ConsoleVm&) = delete;
    ~ConsoleVm() { thread_.stop(); }

    uint8_t in(uint16_t port) const {
        std::byte value{};
        ports_.in(port, std::span(&value, 1), 1);
        return static_cast<uint8_t>(value);
    }
    void out(uint16_t port, uint8_t value) const {
        ports_.out(port, std::as_bytes(std::span(&value, 1)), 1);
    }
    // As a driver that polls, until it has so much.
    std::string read(size_t size) const {
        std::string text;
        while (text.size() < size) {
            if ((in(kLsr)&1) != 0)
                text += static_cast<char>(in(kRbr));
            else
                std::this_thread::yield();
        }
        return text;
    }
    SerialConsoleState save() const { return console_->save().serial.value(); }
    // Until the I/O thread has brought so much that this holds.
    SerialConsoleState save_when(const std::function<bool(const SerialConsoleState&)>& holds) {
        for (;;) {
            SerialConsoleState state = save();
            if (holds(state)) return state;
            std::this_thread::yield();
        }
    }
    Stdio& stdio() const { return *console_; }

private:
    Timeline timeline_;
    Wiring wiring_;
    PortBus ports_;
    IoThreadOfTest thread_;
    std::unique_ptr<SerialConsole> console_;
};

std::string pattern(size_t size) {
    std::string text(size, ' ');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + (i >> 8) * 7);
    return text;
}

TEST(SerialConsoleState, OfANewConsoleIsThatOfNone) {
    const StdinPipe input;
    const ConsoleVm vm;
    EXPECT_EQ(vm.save(), SerialConsoleState{});
    EXPECT_FALSE(vm.stdio().save().channel.has_value());
}

TEST(SerialConsoleState, InputThatHadNoRoomInThePortFollowsIt) {
    const std::string text = pattern(Serial::kQueueBytes + 3000);
    SerialConsoleState state;
    std::string read;
    {
        const StdinPipe input;
        ConsoleVm vm;
        input.type(text);
        vm.save_when([](const SerialConsoleState& seen) { return seen.input.size() == 3000; });
        vm.out(kMcr, 0x02);
        read = vm.read(100);
        state = vm.save();
        EXPECT_EQ(state.input.size(), 3000U) << "half of the queue is still taken";
        EXPECT_EQ(read + vm.read(text.size() - 100), text) << "where it was saved it goes on";
        EXPECT_TRUE(vm.save().input.empty());
    }
    const StdinPipe input;
    const ConsoleVm vm(state);
    input.type(" and more");
    EXPECT_EQ(read + vm.read(text.size() - 100 + 9), text + " and more");
    EXPECT_EQ(vm.in(kLsr)&1, 0);
}

// While bytes go from one to the other, none is in both or in neither.
TEST(SerialConsoleState, IsOfOneMoment) {
    const std::string text = pattern(20'000);
    const StdinPipe input;
    const ConsoleVm vm;
    input.type(text);
    vm.out(kMcr, 0x02);
    for (size_t at = 0; at < text.size(); ++at) {
        EXPECT_EQ(vm.read(1), text.substr(at, 1));
        if (at % 100 != 0) continue;
        const SerialConsoleState state = vm.save();
        std::string held;
        for (const std::byte byte : state.port.queue) held += static_cast<char>(byte);
        for (const std::byte byte : state.input) held += static_cast<char>(byte);
        ASSERT_EQ(held, text.substr(at + 1, held.size())) << at;
    }
}

TEST(SerialConsoleState, TheEndOfStdinIsTheHosts) {
    SerialConsoleState state;
    {
        StdinPipe input;
        ConsoleVm vm;
        input.type("abc");
        input.writer = UniqueFd();
        state = vm.save_when(
            [](const SerialConsoleState& seen) { return seen.port.queue.size() == 3; });
    }
    const StdinPipe input;
    const ConsoleVm vm(state);
    input.type("def");
    vm.out(kMcr, 0x02);
    EXPECT_EQ(vm.read(6), "abcdef");
}

TEST(SerialConsoleState, IsRefusedWhereNoneCanBeSo) {
    const StdinPipe input;
    const auto refusal = [](const SerialConsoleState& state) {
        Timeline timeline;
        Wiring wiring;
        PortBus ports;
        IoThreadOfTest thread;
        const auto console = SerialConsole::create(
            wiring, ports, thread.loop(), EscapeKeys::kDisabled, UniqueFd(), {}, timeline, state);
        return console.ok() ? std::string_view() : console.error().what;
    };
    SerialConsoleState state;
    state.input.resize(SerialConsoleState::kMostInputBytes);
    EXPECT_EQ(refusal(state), "");
    state.input.resize(SerialConsoleState::kMostInputBytes + 1);
    EXPECT_EQ(refusal(state), "serial console: bytes of input");
    state = {};
    state.port.arrived = 1;
    EXPECT_EQ(refusal(state), "serial port: bytes that have arrived");
}

}  // namespace
