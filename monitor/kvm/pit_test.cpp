#include "monitor/kvm/pit.hpp"

#include <gtest/gtest.h>

namespace {

TEST(UntouchedPit, ResetLeavesTheSecondGateShut) {
    const kvm_pit_state2 state = pit_after_reset();
    EXPECT_EQ(state.channels[0].gate, 1);
    EXPECT_EQ(state.channels[1].gate, 1);
    EXPECT_EQ(state.channels[2].gate, 0);
    for (const auto& channel : state.channels) {
        EXPECT_EQ(channel.mode, 0xff);
        EXPECT_EQ(channel.count, 0U);  // which is 0x10000
        EXPECT_EQ(channel.rw_mode, 0);
    }
    EXPECT_EQ(state.flags, 0U);
}

TEST(UntouchedPit, ControlWordSetsOneCounter) {
    for (const size_t counter : {0U, 1U, 2U}) {
        kvm_pit_state2 state = pit_after_reset();
        write_untouched_pit(state, pit_port::kControl,
                            static_cast<uint8_t>(counter << 6 | 0x3 << 4 | 2 << 1 | 1));
        for (size_t i = 0; i < std::size(state.channels); ++i) {
            const kvm_pit_channel_state& channel = state.channels[i];
            EXPECT_EQ(channel.rw_mode, i == counter ? 3 : 0) << i;
            EXPECT_EQ(channel.read_state, i == counter ? 3 : 0) << i;
            EXPECT_EQ(channel.write_state, i == counter ? 3 : 0) << i;
            EXPECT_EQ(channel.mode, i == counter ? 2 : 0xff) << i;
            EXPECT_EQ(channel.bcd, i == counter ? 1 : 0) << i;
        }
    }
}

TEST(UntouchedPit, ModesSixAndSevenAreTwoAndThree) {
    for (const auto& [written, meant] : {std::pair{5, 5}, {6, 2}, {7, 3}}) {
        kvm_pit_state2 state = pit_after_reset();
        write_untouched_pit(state, pit_port::kControl, static_cast<uint8_t>(0x10 | written << 1));
        EXPECT_EQ(state.channels[0].mode, meant);
    }
}

TEST(UntouchedPit, LatchAndReadBackChangeNothing) {
    for (const int word : {0x00, 0x40, 0x80, 0xc2, 0xe2, 0xff}) {
        kvm_pit_state2 state = pit_after_reset();
        write_untouched_pit(state, pit_port::kControl, static_cast<uint8_t>(word));
        EXPECT_EQ(state.channels[0].mode, 0xff) << word;
        EXPECT_EQ(state.channels[1].mode, 0xff) << word;
        EXPECT_EQ(state.channels[2].mode, 0xff) << word;
    }
}

TEST(UntouchedPit, CountsWithoutAControlWordAreLowBytes) {
    for (const size_t counter : {0U, 1U, 2U}) {
        kvm_pit_state2 state = pit_after_reset();
        write_untouched_pit(state, static_cast<uint16_t>(pit_port::kCounters + counter), 0x9a);
        EXPECT_EQ(state.channels[counter].count, 0x9aU);
    }
}

TEST(UntouchedPit, SystemPortGatesAndSpeaks) {
    for (const int value : {0, 1, 2, 3, 0xff}) {
        kvm_pit_state2 state = pit_after_reset();
        write_untouched_pit(state, pit_port::kSystemB, static_cast<uint8_t>(value));
        EXPECT_EQ(state.channels[2].gate, value & 1) << value;
        EXPECT_EQ(state.flags, static_cast<uint32_t>(value & 2)) << value;
    }
}

}  // namespace
