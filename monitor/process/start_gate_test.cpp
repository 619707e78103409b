#include "monitor/process/start_gate.hpp"

#include <poll.h>

#include <gtest/gtest.h>
#include <thread>

#include "monitor/api/controller_fixture.hpp"

namespace {

class StartGateTest : public testing::Test {
protected:
    ~StartGateTest() override {
        gate_->close();
        if (client_.joinable()) client_.join();
    }

    // Another thread asks for a start, as the API's does.
    void ask() {
        if (client_.joinable()) client_.join();
        outcome_.reset();
        client_ = std::thread([this] { outcome_.emplace(gate_->start(config_, files_)); });
    }
    // What it was told.
    const Result<RunningVm*>& outcome() {
        client_.join();
        return *outcome_;
    }

    bool is_asked(int timeout_ms) const {
        pollfd event{gate_->fd(), POLLIN, 0};
        return ::poll(&event, 1, timeout_ms) == 1;
    }
    std::optional<StartOrder> await_order() {
        EXPECT_TRUE(is_asked(20'000));
        const auto order = gate_->take();
        if (!order.has_value()) return {};
        return std::get<StartOrder>(*order);
    }

    std::unique_ptr<StartGate> gate_ = StartGate::create().value();
    Config config_;
    HostFiles files_;
    FakeVm vm_;
    std::thread client_;
    std::optional<Result<RunningVm*>> outcome_;
};

TEST_F(StartGateTest, IsClosedToWhoeverDoesNotAsk) {
    EXPECT_FALSE(is_asked(0));
    EXPECT_FALSE(gate_->take().has_value());
}

TEST_F(StartGateTest, BringsTheOrderThereAndItsOutcomeBack) {
    ask();
    const auto order = await_order();
    ASSERT_TRUE(order.has_value());
    EXPECT_EQ(&order->config, &config_);
    EXPECT_EQ(&order->files, &files_);
    EXPECT_FALSE(is_asked(0));
    EXPECT_FALSE(gate_->take().has_value());
    gate_->answer(&vm_);
    const auto& told = outcome();
    ASSERT_TRUE(told.ok());
    EXPECT_EQ(told.value(), &vm_);
}

TEST_F(StartGateTest, MayBeAskedAgainAfterAFailure) {
    ask();
    ASSERT_TRUE(await_order().has_value());
    gate_->answer(Error{"KVM_CREATE_VM", EBUSY});
    const auto& told = outcome();
    ASSERT_FALSE(told.ok());
    EXPECT_EQ(told.error().code, EBUSY);
    ask();
    ASSERT_TRUE(await_order().has_value());  // and waits for an outcome of its own
    gate_->answer(&vm_);
    EXPECT_TRUE(outcome().ok());
}

TEST_F(StartGateTest, BringsASnapshotThereAndWhatItSaysBack) {
    SnapshotFiles files{.state_path = "s", .memory_path = "m", .state = {}, .memory = {}};
    std::optional<Result<Config>> said;
    client_ = std::thread([&] { said.emplace(gate_->read_snapshot(files)); });
    EXPECT_TRUE(is_asked(20'000));
    const auto order = gate_->take();
    ASSERT_TRUE(order.has_value());
    EXPECT_EQ(&std::get<ReadOrder>(*order).snapshot, &files);
    Config config;
    config.shape.vcpus = 7;
    gate_->answer_reader(std::move(config));
    client_.join();
    ASSERT_TRUE(said->ok());
    EXPECT_EQ(said->value().shape.vcpus, 7U);
    client_ = std::thread([&] { said.emplace(gate_->read_snapshot(files)); });
    EXPECT_TRUE(is_asked(20'000));
    gate_->close();
    client_.join();
    EXPECT_FALSE(said->ok());
}

TEST_F(StartGateTest, WhoWaitsIsToldThatThereWillBeNone) {
    ask();
    ASSERT_TRUE(await_order().has_value());
    gate_->close();
    const auto& told = outcome();
    ASSERT_FALSE(told.ok());
    EXPECT_STREQ(told.error().what, "InstanceStart");
}

TEST_F(StartGateTest, WhoComesTooLateDoesNotWait) {
    gate_->close();
    ask();
    EXPECT_FALSE(outcome().ok());
}

bool is_readable(const StartGate& gate) {
    pollfd event{gate.fd(), POLLIN, 0};
    return ::poll(&event, 1, 0) == 1;
}

TEST(StartGateForesight, WhatIsForeseenIsNewsOnce) {
    const auto gate = StartGate::create().value();
    EXPECT_FALSE(is_readable(*gate));
    gate->foresee(1 << 20);
    EXPECT_TRUE(is_readable(*gate));
    EXPECT_FALSE(gate->take().has_value());  // no order
    EXPECT_EQ(gate->take_foreseen_memory(), 1U << 20);
    EXPECT_FALSE(gate->take_foreseen_memory().has_value());
    EXPECT_FALSE(is_readable(*gate));
}

TEST(StartGateForesight, WhatIsForeseenAgainWakesNobody) {
    const auto gate = StartGate::create().value();
    gate->foresee(1 << 20);
    gate->take();
    EXPECT_TRUE(gate->take_foreseen_memory().has_value());
    gate->foresee(1 << 20);
    EXPECT_FALSE(is_readable(*gate));
    gate->foresee(2 << 20);
    EXPECT_TRUE(is_readable(*gate));
    EXPECT_EQ(gate->take_foreseen_memory(), 2U << 20);
}

TEST(StartGateForesight, OfSeveralTheLastIsForeseen) {
    const auto gate = StartGate::create().value();
    gate->foresee(1 << 20);
    gate->foresee(2 << 20);
    gate->take();
    EXPECT_EQ(gate->take_foreseen_memory(), 2U << 20);
}

}  // namespace
